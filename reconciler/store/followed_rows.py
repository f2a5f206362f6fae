"""Read a few columns of many rows by their ids, to see what has become of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import Connection, select

from reconciler.config_file.statuses import Statuses
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import TERMINAL, Status
from reconciler.store.best_effort import set_statement_timeout
from reconciler.store.order_ids import ids_literal, select_id
from reconciler.store.orders_table import OrdersTable
from reconciler.store.prepared_statement import fetch_tuples
from reconciler.store.stale_statements import of_ids

_NO_STATUS: frozenset[Status] = frozenset()


class FollowedRow(NamedTuple):
    """The order that a row names, and its facts; None if its status has no meaning for us.

    `word` is that status as it is stored; None if the table has our words and it is one of them.
    `may_mean` has the ends for which its word is the one to write: theirs may be fewer than ours.
    """

    external_order_id: str | None
    facts: Facts | None
    word: str | None = None
    may_mean: frozenset[Status] = _NO_STATUS


class FollowedRows:
    """Reads rows by id, within a time."""

    def __init__(self, orders: OrdersTable, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._statuses = orders.statuses
        self._ends = _ends_by_word(orders.statuses)
        self._statement = (
            select(
                select_id(orders.id),
                orders.as_text("external_order_id"),
                orders.status,
                orders.executed_qty,
                orders.avg_price,
            )
            .select_from(orders.rows)
            .where(of_ids(orders))
        )

    def read(self, connection: Connection, ids: Sequence[OrderId]) -> dict[OrderId, FollowedRow]:
        """Return the rows that exist, by id. Needs a transaction."""
        set_statement_timeout(connection, self._timeout_seconds)
        rows = connection.execute(self._statement, {"ids": ids_literal(ids)})
        return {id_: self._row(*values) for id_, *values in fetch_tuples(rows)}

    def _row(
        self,
        external: str | None,
        word: str | None,
        executed: Decimal | None,
        average: Decimal | None,
    ) -> FollowedRow:
        word = word or ""
        facts = self._facts(word, executed or _ZERO, average)
        is_ours = self._statuses.are_ours and facts is not None
        ends = self._ends.get(word, _NO_STATUS)
        return FollowedRow(external, facts, None if is_ours else word, ends)

    def _facts(self, word: str, executed: Decimal, average: Decimal | None) -> Facts | None:
        status = self._statuses.read(word, executed)
        if status is None:
            return None
        return Facts(status=status, executed_qty=executed, avg_price=average)


def _ends_by_word(statuses: Statuses) -> dict[str, frozenset[Status]]:
    """Return, for each word that is written for an end, all ends for which it is."""
    words = {status: statuses.write(status) for status in TERMINAL}
    return {
        word: frozenset(status for status in TERMINAL if words[status] == word)
        for word in words.values()
        if word is not None
    }


_ZERO = Decimal(0)
