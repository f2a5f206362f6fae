"""Orders as the admin routes show and accept them, with everything that a database row needs."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from reconciler.domain.status import Status
from reconciler.paper import fixed_point
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.market import market_for
from reconciler.paper.orders import PaperOrder

if TYPE_CHECKING:  # Its imports need the extra "demo", which a client of the exchange may lack.
    from reconciler.paper.dialects.dialect import Dialect


class ListedState(msgspec.Struct, frozen=True, kw_only=True):
    """An order's state as a database row holds it.

    Attributes:
        status: Our status, or None if the exchange's status is unknown.
        executed_qty: With eight decimal places.
        avg_price: With eight decimal places, rounded half away from zero; None when nothing is
            executed or the exchange does not know the quote.
    """

    status: Status | None
    executed_qty: str
    avg_price: str | None


class ListedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order: the state that the platform's row last saw, and the true one. Times are in ms.

    Attributes:
        symbol, order_id: The exchange's own, by which the admin routes find it.
        row_symbol, row_order_id: The dialect's spelling, as a row of the platform has it.
    """

    symbol: str
    order_id: int
    row_symbol: str
    row_order_id: str
    client_order_id: str
    side: str
    qty: str
    price: str
    created_at: int
    seen: ListedState
    truth: ListedState


class StateSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A state to place by hand.

    Attributes:
        status: An `ExchangeStatus`, or any other text, so that unknown ones can be tried out: every
            dialect shows it as it is.
        quote_qty: None means executed quantity times limit price; below zero means not known.
    """

    status: str = ExchangeStatus.NEW.value
    executed_qty: str = "0"
    quote_qty: str | None = None


class OrderSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order to place by hand. Its values are not checked: faulty exchanges exist.

    Attributes:
        status, executed_qty, quote_qty: The true state, as in `StateSpec`.
        seen: The state that the platform's row last saw. None means that of a new order, or the
            true state if it is open with nothing executed.
        created_at, updated_at: In ms. None means now, and `created_at`.
    """

    symbol: str
    order_id: int
    qty: str = "1"
    price: str = "100"
    side: str = "BUY"
    client_order_id: str | None = None
    time_in_force: str = "GTC"
    created_at: int | None = None
    updated_at: int | None = None
    status: str = ExchangeStatus.NEW.value
    executed_qty: str = "0"
    quote_qty: str | None = None
    seen: StateSpec | None = None


def listed_order(order: PaperOrder, dialect: "Dialect") -> ListedOrder:
    """Return an order as the admin routes show it."""
    return ListedOrder(
        symbol=order.symbol,
        order_id=order.order_id,
        row_symbol=dialect.symbol(market_for(order.symbol)),
        row_order_id=dialect.order_id(order.order_id),
        client_order_id=order.client_order_id,
        side="BUY" if order.is_buy else "SELL",
        qty=fixed_point.to_text(order.qty_e8),
        price=fixed_point.to_text(order.price_e8),
        created_at=order.created_ms,
        seen=_listed_state(order.seen_state, dialect),
        truth=_listed_state(order.state, dialect),
    )


def encode_listing(orders: Iterable[PaperOrder], dialect: "Dialect") -> bytes:
    """Encode orders as NDJSON, one JSON object a line."""
    return msgspec.json.Encoder().encode_lines([listed_order(order, dialect) for order in orders])


def build_order(spec: OrderSpec, now_ms: int) -> PaperOrder:
    """Build an order from its specification.

    Raises:
        ValueError: a number cannot be parsed.
    """
    price_e8 = fixed_point.from_text(spec.price)
    truth = _build_state(spec.status, spec.executed_qty, spec.quote_qty, price_e8)
    seen = _seen_state(spec.seen, truth, price_e8)
    created_ms = now_ms if spec.created_at is None else spec.created_at
    updated_ms = created_ms if spec.updated_at is None else spec.updated_at
    return PaperOrder(
        symbol=spec.symbol,
        order_id=spec.order_id,
        client_order_id=spec.client_order_id or f"by_hand_{spec.order_id}",
        is_buy=spec.side == "BUY",
        time_in_force=spec.time_in_force,
        price_e8=price_e8,
        qty_e8=fixed_point.from_text(spec.qty),
        created_ms=created_ms,
        pace_ms=updated_ms - created_ms,
        states=(seen, truth),
        seen_index=0,
        state_index=1,
    )


def _listed_state(state: OrderState, dialect: "Dialect") -> ListedState:
    average = state.avg_price
    return ListedState(
        status=dialect.row_status(state),
        executed_qty=fixed_point.to_text(state.executed_e8),
        avg_price=None if average is None else f"{average:f}",
    )


def _build_state(
    exchange_status: str, executed_qty: str, quote_qty: str | None, price_e8: int
) -> OrderState:
    executed_e8 = fixed_point.from_text(executed_qty)
    if quote_qty is None:
        quote_e8 = executed_e8 * price_e8 // fixed_point.ONE_E8
    else:
        quote_e8 = fixed_point.from_text(quote_qty)
    return OrderState(exchange_status=exchange_status, executed_e8=executed_e8, quote_e8=quote_e8)


def _seen_state(spec: StateSpec | None, truth: OrderState, price_e8: int) -> OrderState:
    if spec is not None:
        return _build_state(spec.status, spec.executed_qty, spec.quote_qty, price_e8)
    if truth.is_open and truth.executed_e8 == 0:
        return truth
    return OrderState(exchange_status=ExchangeStatus.NEW, executed_e8=0, quote_e8=0)
