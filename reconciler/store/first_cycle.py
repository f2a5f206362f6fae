"""Foresee the first cycle over a table: which rows are followed, by which index, and the symbols.

Reads a bounded part of the table, in the caller's transaction, and writes nothing. Nothing of ours
need exist yet.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from reconciler.config_file.statuses import Meaning, is_open
from reconciler.errors import SchemaMismatch
from reconciler.store.best_effort import fetch_before_timeout
from reconciler.store.bounded_source import bounded_source
from reconciler.store.columns import read_columns
from reconciler.store.open_index import IndexState, avoid_table_scans, read_index_state
from reconciler.store.orders_requirements import orders_problems
from reconciler.store.status_sql import status_as_text
from reconciler.store.suitable_index import find_suitable_index
from reconciler.store.symbol_names import symbol_names
from reconciler.store.user_table import UserTable, pyformat

MAX_SYMBOLS = 200


class Followed(StrEnum):
    """Whether a row is followed, and if not, why."""

    FOLLOWED = "followed"
    ENDED = "ended"
    NO_ID = "no id of the exchange"
    LEFT_OUT = "its status is not in [orders.statuses]"
    FILTERED = "the filter (where) leaves it out"


@dataclass(frozen=True, kw_only=True)
class RowGroup:
    """Rows with one status. `status` and `meaning` are None if it is null, or has no meaning."""

    status: str | None
    meaning: str | None
    followed: Followed
    rows: int


@dataclass(frozen=True, kw_only=True)
class FirstCycle:
    """What a first cycle would do.

    Attributes:
        groups: The rows by status; empty if they could not be counted in time.
        is_estimate: The table is too large to be counted.
        index_state, index: Whether there is an index of open orders, and an index of the user's
            that serves as one.
        plan: How PostgreSQL would find open orders now, line by line.
        symbols: Symbols of followed rows as they are stored, and the exchange's; empty: no name.
    """

    groups: Sequence[RowGroup]
    is_estimate: bool
    index_state: IndexState
    index: str | None
    plan: Sequence[str]
    symbols: Mapping[str, str]

    def rows(self, followed: Followed) -> int:
        """Return the number of rows of a kind."""
        return sum(group.rows for group in self.groups if group.followed is followed)

    @property
    def not_followed(self) -> int:
        """Rows that are not followed."""
        return sum(group.rows for group in self.groups) - self.rows(Followed.FOLLOWED)


def foresee_first_cycle(connection: Connection, table: UserTable) -> FirstCycle:
    """Foresee the first cycle.

    Raises:
        SchemaMismatch: the table does not fit what the configuration file says of it.
    """
    if problems := orders_problems(connection, table, with_side_table=table.uses_side_table):
        raise SchemaMismatch(problems)
    groups, is_estimate = _count(connection, table)
    state = read_index_state(connection, table)
    is_replaced = state is IndexState.REPLACED
    return FirstCycle(
        groups=groups,
        is_estimate=is_estimate,
        index_state=state,
        index=find_suitable_index(connection, table) if is_replaced else None,
        plan=_plan(connection, table),
        symbols=_symbols(connection, table),
    )


def _count(connection: Connection, table: UserTable) -> tuple[Sequence[RowGroup], bool]:
    config = table.config
    columns = read_columns(connection, table.name)
    is_exact = columns[config.columns.status.name].is_exact
    word = status_as_text(table.status, is_exact=is_exact, words=config.statuses.meanings)
    source = bounded_source(connection, table.name)
    mine = "true" if config.where is None else f"({config.where}) IS TRUE"
    found = fetch_before_timeout(
        connection,
        pyformat(
            f"SELECT {word}, {mine} AS is_mine,"  # noqa: S608 - quoted, or checked with the file
            f" {table.external_order_id} IS NOT NULL"
            f" AND btrim(CAST({table.external_order_id} AS text)) <> '' AS has_id, count(*)"
            f" FROM {source.sql} GROUP BY 1, 2, 3 ORDER BY 1"
        ),
        {},
    )
    rows: Counter[tuple[str | None, Followed]] = Counter()
    for status, is_mine, has_id, count in found or ():
        rows[status, _judge(table, status, is_mine=is_mine, has_id=has_id)] += count
    groups = [
        RowGroup(
            status=status,
            meaning=_meaning(table, status),
            followed=followed,
            rows=round(count / source.share),
        )
        for (status, followed), count in rows.most_common()
    ]
    return groups, source.is_sample


def _meaning(table: UserTable, word: str | None) -> Meaning | None:
    return None if word is None else table.config.statuses.meanings.get(word)


def _judge(table: UserTable, word: str | None, *, is_mine: bool, has_id: bool) -> Followed:
    meaning = _meaning(table, word)
    if not is_mine:
        return Followed.FILTERED
    if meaning is None:
        return Followed.LEFT_OUT
    if not is_open(meaning):
        return Followed.ENDED
    return Followed.FOLLOWED if has_id else Followed.NO_ID


def _plan(connection: Connection, table: UserTable) -> Sequence[str]:
    avoid_table_scans(connection)
    query = f"EXPLAIN (COSTS off) SELECT FROM {table.rows} WHERE {table.open_orders}"
    return [line for (line,) in fetch_before_timeout(connection, pyformat(query), {}) or ()]


def _symbols(connection: Connection, table: UserTable) -> Mapping[str, str]:
    """Return symbols of followed rows, and what the exchange calls them."""
    source = bounded_source(connection, table.name)
    found = fetch_before_timeout(
        connection,
        pyformat(
            f"SELECT DISTINCT CAST({table.symbol} AS text)"  # noqa: S608 - as above
            f" FROM (SELECT * FROM {source.sql} WHERE {table.config.where or 'true'}) AS orders"
            f" WHERE {table.open_orders} LIMIT {MAX_SYMBOLS}"
        ),
        {},
    )
    stored = [text for (text,) in found or () if text is not None]
    names = symbol_names(table, read_columns(connection, table.name)).read(connection, stored)
    return {text: names[text] for text in sorted(stored)}
