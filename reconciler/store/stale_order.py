"""A stale order as the planner reads it, and a worker gets it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from sys import intern
from typing import TYPE_CHECKING, Any
from uuid import UUID

from reconciler.config_file.statuses import Statuses
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import Status
from reconciler.domain.value import Value, force_setattr

_ZERO = Decimal(0)

if TYPE_CHECKING:
    _SentId = OrderId
else:  # What is sent to a worker does not say if a text is a uuid: see TextIdStaleOrder.
    _SentId = int | UUID


class StaleOrder(Value, array_like=True):
    """A stale order as it was when the page was read; flat, because it is sent to a worker.

    A page has up to 20,000 of them: with `Facts` inside, they take longer to make and to send.

    Attributes:
        is_on_hold: It is on hold, and its next attempt is due.
        qty, side, client_order_id: As the application wrote them; None if there is no such column.
        stored_symbol: What the row has of the symbol; None if it is the exchange's name.
        word: The status in the user's word; None if the table has our words.
        version: The row's `xmin` as text: the row is unchanged exactly if its `xmin` is the same;
            empty if it has none that our role may read.
    """

    id: _SentId
    symbol: str
    external_order_id: str
    status: Status
    executed_qty: Decimal
    avg_price: Decimal | None
    created_at: datetime | None
    is_on_hold: bool
    qty: str | None = None
    side: str | None = None
    client_order_id: str | None = None
    version: str = ""
    stored_symbol: str | None = None
    word: str | None = None

    @property
    def facts(self) -> Facts:
        """The row's facts."""
        return Facts(status=self.status, executed_qty=self.executed_qty, avg_price=self.avg_price)

    @classmethod
    def share_equal_parts(cls, values: Sequence["StaleOrder"]) -> None:
        """Keep a text that many orders have, and zero, once: it saves 270 bytes an order."""
        texts: dict[str | None, str | None] = {}
        share = texts.setdefault
        for order in values:
            force_setattr(order, "symbol", share(order.symbol, order.symbol))
            force_setattr(order, "side", share(order.side, order.side))
            force_setattr(order, "version", share(order.version, order.version))
            if order.word is not None:
                force_setattr(order, "word", share(order.word, order.word))
            if order.stored_symbol is not None:
                stored = share(order.stored_symbol, order.stored_symbol)
                force_setattr(order, "stored_symbol", stored)
            if not order.executed_qty:
                force_setattr(order, "executed_qty", _ZERO)


class TextIdStaleOrder(StaleOrder, array_like=True):
    """A stale order whose id is a text, and never a uuid."""

    id: str


class ReadOrders:
    """Turns the rows of `stale_statements.select_page` into orders, for one table.

    What the table says in our own words is not kept twice.
    """

    def __init__(self, statuses: Statuses, kind: type[StaleOrder] = StaleOrder) -> None:
        self._kind = kind
        self._statuses = statuses
        self._are_ours = statuses.are_ours
        self._exact = {
            word: status for word, status in statuses.meanings.items() if isinstance(status, Status)
        }

    def __call__(
        self, rows: Iterable[tuple[Any, ...]], names: Mapping[str | None, str]
    ) -> tuple[StaleOrder, ...]:
        """Return the rows as orders; `names` has the exchange's name of each stored symbol."""
        kind, exact, are_ours = self._kind, self._exact, self._are_ours
        return tuple(
            kind(
                id=id_,
                symbol=(name := intern(names[symbol])),
                external_order_id=external,
                status=exact.get(word) or self._open_status(word, executed),
                executed_qty=executed or _ZERO,
                avg_price=average,
                created_at=None if created_at is None else datetime.fromisoformat(created_at),
                is_on_hold=is_on_hold,
                qty=qty,
                side=None if side is None else intern(side),
                client_order_id=client_order_id,
                version=intern(version),
                stored_symbol=None if (symbol or "") == name else intern(symbol),
                word=None if are_ours else intern(word),
            )
            for (
                id_,
                symbol,
                external,
                word,
                executed,
                average,
                created_at,
                qty,
                side,
                client_order_id,
                is_on_hold,
                version,
            ) in rows
        )

    def _open_status(self, word: str, executed: Decimal | None) -> Status:
        """Return the status of a word for every open order: only open orders are read."""
        status = self._statuses.read(word, executed)
        assert status is not None, word  # noqa: S101 - the statement has only words that are known
        return status
