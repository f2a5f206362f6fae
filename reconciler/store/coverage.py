"""Count the rows of `orders` that are followed, and those that look open and are not.

An order is followed if its status is a word for open, ours or the configuration file's, and it has
an external id. Only rows that the file's filter takes are counted. Other rows that look open are
left alone, so a person must be told. The cost is bounded: a small table is read as a whole; of a
large one a sample of pages, the newest rows, and the index of open orders. Each query has a limit
of time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from sqlalchemy import Connection

from reconciler.config_file.document import dotted
from reconciler.config_file.statuses import OPEN_MEANING, Statuses, is_open
from reconciler.domain.status import Status
from reconciler.domain.status_words import StatusMeaning, guess_meaning
from reconciler.errors import Problem
from reconciler.scope import Scope
from reconciler.store.best_effort import fetch_before_timeout, set_statement_timeout
from reconciler.store.bounded_source import NEWEST_ROWS, BoundedSource, bounded_source
from reconciler.store.columns import read_columns
from reconciler.store.holds import count_waiting
from reconciler.store.open_index import (
    MAX_COUNTED,
    avoid_table_scans,
    read_index_state,
)
from reconciler.store.status_sql import status_as_text
from reconciler.store.user_table import UserTable, pyformat

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
        has_our_words: Any row has a status that we know, open or ended.
        is_estimate: The table is too large to be counted.
        left_out: The number of rows by status, for statuses that the configuration file leaves out
            although it has others.
        id_column: The column with the exchange's ids.
        followed_words: The number of followed rows by the user's word and ours, `LIVE (open)`;
            empty if the words are our own.
    """

    rows: int
    followed: int
    without_id: int
    words: Mapping[str, int]
    others: Mapping[str, int]
    has_our_words: bool
    is_estimate: bool
    left_out: Mapping[str, int] = field(default_factory=dict)
    followed_words: Mapping[str, int] = field(default_factory=dict)
    id_column: str = "external_order_id"

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
        """Rows that look open, or that nobody has said a meaning of, and are not followed."""
        return self.look_open - self.followed + sum(self.left_out.values())

    @property
    def has_only_unknown_words(self) -> bool:
        """True if there are rows, and none of them has a status that we know, open or ended."""
        return self.rows > 0 and not self.has_our_words and not self.left_out

    @property
    def has_unknown_words(self) -> bool:
        """True if orders are left alone because of their status words."""
        return bool(self.words) or bool(self.left_out) or self.has_only_unknown_words

    @property
    def lacks_most_ids(self) -> bool:
        """True if most open orders have no external id. At any time a few do not have one yet."""
        return self.without_id > self.followed

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for a person: the rows that look open and are not followed."""
        remarks = (self.remark_on_left_out, self.remark_on_words, self.remark_on_ids)
        return tuple(remark for remark in remarks if remark is not None)

    @property
    def remark_on_left_out(self) -> str | None:
        """The remark on rows whose status the configuration file does not have."""
        if not self.left_out:
            return None
        rows = _number(sum(self.left_out.values()), "row has", "rows have")
        return (
            f"{self._about_prefix}{rows} a status that [orders.statuses] leaves out:"
            f" {describe_words(self.left_out)}"
        )

    @property
    def left_out_problem(self) -> Problem | None:
        """The problem of statuses that the file leaves out: only their owner knows the meaning."""
        if (what := self.remark_on_left_out) is None:
            return None
        most = Counter(self.left_out).most_common(MAX_WORDS)
        lines = "; ".join(f"{dotted((word,))} = ..." for word, _ in most)
        return Problem(
            what=what,
            hint=f"say in [orders.statuses] of reconciler.toml what each means: {lines}"
            f" ({OPEN_MEANING}, {', '.join(Status)})",
        )

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
        return f"{self._about_prefix}{rows} no {self.id_column} and {verb} not followed"

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
    connection: Connection, table: UserTable, *, timeout_seconds: float = MAX_SECONDS
) -> Coverage | None:
    """Count, or estimate if the table is large; None if that takes too long or cannot be done.

    `connection` is in a transaction. Takes only the lock that every reader takes.
    """
    columns = read_columns(connection, table.name)
    status = table.config.columns.status.name
    if not {status, table.config.columns.external_order_id.name} <= columns.keys():
        return None
    counting = _Counting(connection, table, is_exact=columns[status].is_exact)
    set_statement_timeout(connection, timeout_seconds)
    source = bounded_source(connection, table.name)
    counted = counting.count(_filtered(source, table))
    if counted is None:
        return None
    if not source.is_sample:
        return _coverage(counted, table, is_estimate=False)
    scaled = Counter({key: round(count / source.share) for key, count in counted.items()})
    newest = counting.count(_newest(table)) or Counter()
    found = _coverage(scaled | newest, table, is_estimate=True)
    return replace(found, followed=max(found.followed, _count_followed(connection, table)))


def explain_no_stale_orders(
    connection: Connection, table: UserTable, scope: Scope, stale_after: timedelta
) -> str:
    """Return why no order is stale, for a person. `connection` is in a transaction."""
    open_orders = _count_followed(connection, table)
    if not open_orders:
        words = "our words" if table.config.statuses.are_ours else "[orders.statuses]"
        return f"nothing to do: no row is open by {words} and has an {table.external_order_id}"
    waiting = count_waiting(connection, scope)
    on_hold = f"; {waiting:,} orders are on hold" if waiting else ""
    minutes = stale_after.total_seconds() / 60
    return (
        f"nothing to do: of {open_orders:,} open orders none was last synced more than"
        f" {minutes:g} minutes ago{on_hold}"
    )


_Key = tuple[str | None, bool]
"""A status, and whether the row has an external id."""


def _filtered(source: BoundedSource, table: UserTable) -> str:
    """Return what to select from: the rows of the source that the filter takes."""
    if not source.is_sample:
        return table.rows
    where = f" WHERE ({table.config.where})" if table.config.where else ""
    return f"(SELECT * FROM {source.sql}{where}) AS orders"  # noqa: S608 - quoted, checked


def _newest(table: UserTable) -> str:
    """Return what to select from for the newest rows, by their ids."""
    newest = f"SELECT * FROM {table.rows} ORDER BY {table.id} DESC LIMIT {NEWEST_ROWS}"  # noqa: S608 - as above
    return f"({newest}) AS newest"


@dataclass(frozen=True)
class _Counting:
    """Counts rows by their key."""

    connection: Connection
    table: UserTable
    is_exact: bool

    def count(self, source: str) -> Counter[_Key] | None:
        """Return the number of rows by key; None if the statement timed out."""
        table = self.table
        words = table.config.statuses.meanings
        word = status_as_text(table.status, is_exact=self.is_exact, words=words)
        statement = (
            f"SELECT {word} AS word,"  # noqa: S608 - quoted, or checked with the configuration file
            f" coalesce(btrim(CAST({table.external_order_id} AS text)), '') <> '' AS has_id,"
            f" count(*) AS rows FROM {source} GROUP BY 1, 2"
        )
        found = fetch_before_timeout(self.connection, pyformat(statement), {})
        if found is None:
            return None
        return Counter({(word, has_id): count for word, has_id, count in found})


def _count_followed(connection: Connection, table: UserTable) -> int:
    """Count the open orders by an index, up to MAX_COUNTED; 0 if there is no such index."""
    if not read_index_state(connection, table).is_usable:
        return 0
    avoid_table_scans(connection)
    most = {"most": MAX_COUNTED}
    count: int = connection.exec_driver_sql(table.open_orders_count, most).scalar_one()
    return count


def _meaning(word: str | None, statuses: Statuses) -> StatusMeaning | None:
    """Return what a status means by the configuration file, else by a guess.

    None: the file has words, and not this one. No file can have a null, so that is no omission.
    """
    if statuses.are_ours or word is None:
        return guess_meaning(word)
    meaning = statuses.meanings.get(word)
    if meaning is None:
        return None
    return StatusMeaning.FOLLOWED if is_open(meaning) else StatusMeaning.ENDED


def _coverage(counts: Mapping[_Key, int], table: UserTable, *, is_estimate: bool) -> Coverage:
    statuses = table.config.statuses
    by_meaning: dict[StatusMeaning | None, Counter[str]] = {
        meaning: Counter() for meaning in (*StatusMeaning, None)
    }
    followed = Counter[str]()
    for (word, has_id), count in counts.items():
        meaning = _meaning(word, statuses)
        by_meaning[meaning]["none" if word is None else word] += count
        if meaning is StatusMeaning.FOLLOWED and has_id:
            followed[str(word)] += count
    open_ = by_meaning[StatusMeaning.FOLLOWED].total()
    return Coverage(
        rows=sum(counts.values()),
        followed=followed.total(),
        without_id=open_ - followed.total(),
        words=by_meaning[StatusMeaning.OPEN],
        others=by_meaning[StatusMeaning.OTHER],
        has_our_words=any(word in statuses.meanings for word, _ in counts),
        left_out=by_meaning[None],
        id_column=table.external_order_id,
        followed_words=_named(followed, statuses),
        is_estimate=is_estimate,
    )


def _named(words: Mapping[str, int], statuses: Statuses) -> Mapping[str, int]:
    """Return words with what each means; none if they are our own."""
    if statuses.are_ours:
        return {}
    return {f"{word} ({statuses.meanings[word]})": count for word, count in words.items()}


def _number(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def describe_followed(found: Coverage) -> str:
    """Return the number of followed orders; for words of the user, each with ours."""
    about = "about " if found.is_estimate else ""
    by_word = sorted(found.followed_words.items(), key=lambda one: (-one[1], one[0]))
    words = ", ".join(f"{word} {count:,}" for word, count in by_word)
    return f"{about}{found.followed:,} followed{f': {words}' if words else ''}"


def _quoted(word: str) -> str:
    """Return a status for a message: in quotes if it has blanks or the like."""
    short = word if len(word) <= MAX_WORD_LENGTH else f"{word[:MAX_WORD_LENGTH]}..."
    return short if short.isidentifier() else repr(short)
