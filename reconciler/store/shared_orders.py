"""Open orders that two programs over one table both follow, by the filters that they recorded.

A program records its filter when it begins a run. An order that is in two filters is written by
both programs; if their accounts differ, one of them asks about it with the wrong account.

A recorded filter is SQL that comes from the database. It is judged as one from the file is, and
nothing can be written while it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from reconciler.config_file.sql_text import condition_flaws
from reconciler.errors import Problem
from reconciler.scope import Scope
from reconciler.store.best_effort import (
    MAX_SECONDS,
    fetch_before_timeout,
    refusal_of,
    set_statement_timeout,
)
from reconciler.store.open_index import avoid_table_scans
from reconciler.store.shared_state import FILTER
from reconciler.store.user_table import UserTable, literal, pyformat

FORGOTTEN_AFTER = timedelta(days=1)
"""A program that neither began a run nor recorded a cycle for so long is no longer counted."""

MAX_COUNTED = 10_000
MAX_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """What another program follows of this one's open orders.

    Attributes:
        scope: The other program.
        orders: The number of open orders that both follow, up to MAX_COUNTED.
        examples: The ids of some of them.
        unknown: Why they could not be counted; None if they were.
    """

    scope: Scope
    orders: int = 0
    examples: tuple[str, ...] = ()
    unknown: str | None = None

    @property
    def program(self) -> str:
        """The other program, for a person."""
        return f"the program {self.scope}" if self.scope else "the program without a scope"

    @property
    def problem(self) -> Problem | None:
        """What a person has to do about it; None if nothing."""
        if self.unknown is not None:
            return Problem(
                what=f"whether {self.program} follows orders of this one is not known:"
                f" {self.unknown}",
                hint=f"correct [orders] where of {self.program}, and start it again; {self._gone}",
            )
        if not self.orders:
            return None
        number = f"{MAX_COUNTED:,} or more" if self.orders >= MAX_COUNTED else f"{self.orders:,}"
        return Problem(
            what=f"{number} open orders are followed by {self.program} too, such as"
            f" {', '.join(self.examples)}: both write them",
            hint="change [orders] where in the reconciler.toml of one of the two, so that no order"
            f" is in both; {self._gone}",
        )

    @property
    def _gone(self) -> str:
        forget = (
            f"DELETE FROM reconciliation_state WHERE scope = {literal(self.scope)}"  # noqa: S608 - for a person
            f" AND key = {literal(FILTER)}"
        )
        return f"or, if that program runs no more, run: {forget}"


def find_overlaps(
    connection: Connection, table: UserTable, *, timeout_seconds: float = MAX_SECONDS
) -> Sequence[Overlap]:
    """Compare this program with each other one over the same table.

    `connection` is in a transaction, which can write nothing any more.
    """
    found = connection.execute(
        _OTHERS, {"scope": table.scope, "table": table.name, "key": FILTER}
    ).all()
    if not found:
        return ()
    set_statement_timeout(connection, timeout_seconds)
    avoid_table_scans(connection)
    connection.exec_driver_sql("SET LOCAL transaction_read_only = on")
    return [_compare(connection, table, Scope(scope), where) for scope, where in found]


_OTHERS = text(
    f"""
    SELECT scope, value->>'where' FROM reconciliation_state AS recorded
    WHERE key = :key AND scope <> :scope
        AND to_regclass(value->>'table') = to_regclass(:table)
        AND (
            changed_at > now() - interval '{FORGOTTEN_AFTER}'
            OR EXISTS (
                SELECT FROM reconciliation_cycles AS cycle
                WHERE cycle.scope = recorded.scope
                    AND finished_at > now() - interval '{FORGOTTEN_AFTER}'
            )
        )
    ORDER BY scope
    """  # noqa: S608 - put together from constants
)


def _compare(connection: Connection, table: UserTable, scope: Scope, where: str | None) -> Overlap:
    if where is not None and (flaws := condition_flaws(where)):
        return Overlap(scope=scope, unknown=f"its filter {flaws[0].what}")
    conditions = [
        f"({condition})"
        for condition in (table.open_orders, table.config.where, where)
        if condition is not None
    ]
    listed = pyformat(
        f"SELECT {table.id} AS id FROM {table.name} WHERE {' AND '.join(conditions)}"  # noqa: S608 - checked
    )
    statement = f"""
        SELECT count(*), (array_agg(CAST(id AS text)))[1:{MAX_NAMED}]
        FROM ({listed} LIMIT {MAX_COUNTED}) AS shared
    """  # noqa: S608 - as above
    try:
        found = fetch_before_timeout(connection, statement, {})
    except DBAPIError as error:
        reason = refusal_of(error)
        return Overlap(scope=scope, unknown=f"the two filters cannot be used together: {reason}")
    if found is None:
        return Overlap(scope=scope, unknown="counting them took too long")
    ((orders, examples),) = found
    return Overlap(scope=scope, orders=orders, examples=tuple(examples or ()))
