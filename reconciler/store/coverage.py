"""Count the rows of `orders` that are followed, and those that look open and are not.

An order is followed if its status is one of our words for open, and it has an external id. Other
rows that look open are left alone, so a person must be told. The cost is bounded: a small table is
read as a whole; of a large one a sample of pages, the newest rows, and the index of stale orders.
Each query has a timeout.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection, text

from reconciler.domain.status import BY_VALUE
from reconciler.domain.status_words import StatusMeaning, guess_meaning
from reconciler.scope import Scope
from reconciler.store.best_effort import fetch_before_timeout, set_statement_timeout
from reconciler.store.columns import read_columns
from reconciler.store.holds import count_waiting
from reconciler.store.open_index import (
    COUNT_OPEN_ORDERS,
    MAX_COUNTED,
    IndexState,
    avoid_table_scans,
    read_index_state,
)
from reconciler.store.status_sql import status_as_text

MAX_READ_BYTES = 128 * 1024 * 1024
"""A table up to this size is read as a whole: about a million orders, in a third of a second."""

SAMPLED_PAGES = 2_000
NEWEST_ROWS = 10_000
MAX_SECONDS = 3.0
MAX_WORDS = 8
MAX_WORD_LENGTH = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """The rows of `orders`, by whether they are followed.

    Attributes:
        rows: The rows that were read.
        followed: Open by our words, with an external id.
        without_id: Open by our words, with no external id or an empty one.
        words: The number of rows by status, for statuses that look open and are none of our words.
        others: The number of rows by status, for statuses of which nothing is known.
        has_our_words: Any row has a status of ours, open or ended.
        is_estimate: The table is too large to be counted.
    """

    rows: int
    followed: int
    without_id: int
    words: Mapping[str, int]
    others: Mapping[str, int]
    has_our_words: bool
    is_estimate: bool

    @property
    def open_by_our_words(self) -> int:
        """Rows that are open by our words."""
        return self.followed + self.without_id

    @property
    def look_open(self) -> int:
        """Rows that look open, by our words or by others."""
        return self.open_by_our_words + sum(self.words.values())

    @property
    def not_followed(self) -> int:
        """Rows that look open and are not followed."""
        return self.look_open - self.followed

    @property
    def has_only_unknown_words(self) -> bool:
        """True if there are rows, and none of them has a status of ours, open or ended."""
        return self.rows > 0 and not self.has_our_words

    @property
    def has_unknown_words(self) -> bool:
        """True if orders are left alone because of their status words."""
        return bool(self.words) or self.has_only_unknown_words

    @property
    def lacks_most_ids(self) -> bool:
        """True if most open orders have no external id. At any time a few do not have one yet."""
        return self.without_id > self.followed

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for a person: the rows that look open and are not followed."""
        remarks = (self.remark_on_words, self.remark_on_ids)
        return tuple(remark for remark in remarks if remark is not None)

    @property
    def remark_on_words(self) -> str | None:
        """The remark on rows that are not followed because of their status."""
        if self.words:
            then = ": " if not self.open_by_our_words else "; not followed: "
            return (
                f"{self._about_prefix}{_number(self.look_open, 'row looks', 'rows look')} open,"
                f" {self.open_by_our_words:,} by our words{then}{describe_words(self.words)}"
            )
        if self.has_only_unknown_words:
            return f"no row has a status of our words: {describe_words(self.others)}"
        return None

    @property
    def remark_on_ids(self) -> str | None:
        """The remark on rows that are not followed because they have no external id."""
        if not self.without_id:
            return None
        rows = _number(self.without_id, "open row has", "open rows have")
        verb = "is" if self.without_id == 1 else "are"
        return f"{self._about_prefix}{rows} no external_order_id and {verb} not followed"

    @property
    def _about_prefix(self) -> str:
        return "about " if self.is_estimate else ""


def describe_words(words: Mapping[str, int]) -> str:
    """Return words with their numbers of rows, the most frequent first."""
    most = Counter(words).most_common()
    described = [f"{_quoted(word)} {count:,}" for word, count in most[:MAX_WORDS]]
    left = len(most) - len(described)
    return ", ".join([*described, f"and {left:,} more"] if left else described)


def measure_coverage(
    connection: Connection, *, timeout_seconds: float = MAX_SECONDS
) -> Coverage | None:
    """Count, or estimate if the table is large; None if that takes too long or cannot be done.

    `connection` is in a transaction. Takes only the lock that every reader takes.
    """
    columns = read_columns(connection, "orders")
    if not {"status", "external_order_id"} <= columns.keys():
        return None
    word = status_as_text("status", is_exact=columns["status"].is_exact)
    set_statement_timeout(connection, timeout_seconds)
    pages = connection.execute(_PAGES).scalar_one()
    if pages * connection.execute(_PAGE_BYTES).scalar_one() <= MAX_READ_BYTES:
        counted = _counts(connection, word, "orders")
        return None if counted is None else _coverage(counted, is_estimate=False)
    share = min(1.0, SAMPLED_PAGES / pages)
    sampled = _counts(connection, word, _SAMPLE, percent=100 * share)
    if sampled is None:
        return None
    scaled = Counter({key: round(count / share) for key, count in sampled.items()})
    newest = _counts(connection, word, _NEWEST, rows=NEWEST_ROWS) or Counter()
    found = _coverage(scaled | newest, is_estimate=True)
    return replace(found, followed=max(found.followed, _count_followed(connection)))


def explain_no_stale_orders(connection: Connection, scope: Scope, stale_after: timedelta) -> str:
    """Return why no order is stale, for a person. `connection` is in a transaction."""
    open_orders = _count_followed(connection)
    if not open_orders:
        return "nothing to do: no row is open by our words and has an external_order_id"
    waiting = count_waiting(connection, scope)
    on_hold = f"; {waiting:,} orders are on hold" if waiting else ""
    minutes = stale_after.total_seconds() / 60
    return (
        f"nothing to do: of {open_orders:,} open orders none was last synced more than"
        f" {minutes:g} minutes ago{on_hold}"
    )


_Key = tuple[str | None, bool]
"""A status, and whether the row has an external id."""

_PAGES = text(
    """
    SELECT coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('orders')),
                    pg_relation_size('orders'))::bigint
           / current_setting('block_size')::bigint
    """
)
_PAGE_BYTES = text("SELECT current_setting('block_size')::bigint")
_COUNT = """
    SELECT {word} AS word,
           coalesce(btrim(CAST(external_order_id AS text)), '') <> '' AS has_id, count(*) AS rows
    FROM {source}
    GROUP BY 1, 2
"""
_SAMPLE = "orders TABLESAMPLE SYSTEM (CAST(:percent AS real))"
_NEWEST = "(SELECT * FROM orders ORDER BY id DESC LIMIT :rows) AS newest"


def _counts(connection: Connection, word: str, source: str, **given: float) -> Counter[_Key] | None:
    """Return the number of rows by key; None if the statement timed out."""
    found = fetch_before_timeout(connection, text(_COUNT.format(word=word, source=source)), given)
    if found is None:
        return None
    return Counter({(word, has_id): count for word, has_id, count in found})


def _count_followed(connection: Connection) -> int:
    """Count the rows in the index of stale orders, up to MAX_COUNTED; 0 without that index."""
    if read_index_state(connection) is not IndexState.READY:
        return 0
    avoid_table_scans(connection)
    count: int = connection.execute(text(COUNT_OPEN_ORDERS), {"most": MAX_COUNTED}).scalar_one()
    return count


def _coverage(counts: Mapping[_Key, int], *, is_estimate: bool) -> Coverage:
    by_meaning: dict[StatusMeaning, Counter[str]] = {
        meaning: Counter() for meaning in StatusMeaning
    }
    followed = 0
    for (word, has_id), count in counts.items():
        by_meaning[guess_meaning(word)]["none" if word is None else word] += count
        if guess_meaning(word) is StatusMeaning.FOLLOWED and has_id:
            followed += count
    open_ = by_meaning[StatusMeaning.FOLLOWED].total()
    return Coverage(
        rows=sum(counts.values()),
        followed=followed,
        without_id=open_ - followed,
        words=by_meaning[StatusMeaning.OPEN],
        others=by_meaning[StatusMeaning.OTHER],
        has_our_words=any(word in BY_VALUE for word, _ in counts),
        is_estimate=is_estimate,
    )


def _number(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _quoted(word: str) -> str:
    """Return a status for a message: in quotes if it has blanks or the like."""
    short = word if len(word) <= MAX_WORD_LENGTH else f"{word[:MAX_WORD_LENGTH]}..."
    return short if short.isidentifier() else repr(short)
