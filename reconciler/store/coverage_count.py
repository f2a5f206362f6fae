"""Count the rows that are followed, and those that look open and are not: see `coverage`.

Only rows that the file's filter takes are counted. The cost is bounded: a small table is read as a
whole; of a large one a sample of pages, the newest rows, and the index of open orders. Each query
has a limit of time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from reconciler.config_file.statuses import Statuses, is_open
from reconciler.domain.status_words import StatusMeaning, guess_meaning
from reconciler.scope import Scope
from reconciler.store.best_effort import (
    MAX_SECONDS,
    fetch_before_timeout,
    set_statement_timeout,
)
from reconciler.store.bounded_source import NEWEST_ROWS, BoundedSource, bounded_source
from reconciler.store.columns import read_columns
from reconciler.store.coverage import Coverage
from reconciler.store.holds import count_waiting
from reconciler.store.open_index import (
    MAX_COUNTED,
    avoid_table_scans,
    read_index_state,
)
from reconciler.store.status_sql import status_as_text
from reconciler.store.user_table import UserTable, pyformat


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
        likely_open=by_meaning[StatusMeaning.OPEN],
        unknown=by_meaning[StatusMeaning.OTHER],
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
