"""Symbols, ids and states as OKX writes them."""

from reconciler.domain.status import Status
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.market import Market

_FIRST_ID = 10**18
"""Ids have 19 digits, as those of 2026 do ("Order details": 1753197687182819328)."""

_MAX_ID_DIGITS = 20
_STATES = {
    ExchangeStatus.NEW.value: "live",
    ExchangeStatus.PENDING_NEW.value: "live",
    ExchangeStatus.PENDING_CANCEL.value: "live",
    ExchangeStatus.PARTIALLY_FILLED.value: "partially_filled",
    ExchangeStatus.FILLED.value: "filled",
    # What did not fill is canceled, whatever ended it: there is no other word.
    ExchangeStatus.CANCELED.value: "canceled",
    ExchangeStatus.REJECTED.value: "canceled",
    ExchangeStatus.EXPIRED.value: "canceled",
    ExchangeStatus.EXPIRED_IN_MATCH.value: "canceled",
}
_ROW_STATUSES = {
    "live": Status.NEW,
    "partially_filled": Status.PARTIAL,
    "filled": Status.FILLED,
    "canceled": Status.CANCELED,
}


def symbol_of(market: Market) -> str:
    """Return the instrument's id: "BTC-USDT"."""
    return f"{market.base}-{market.quote}"


def inner_symbol(instrument_id: str) -> str:
    """Return the symbol that the exchange has inside: "BTCUSDT"."""
    return instrument_id.replace("-", "")


def order_id_of(number: int) -> str:
    """Return the id of 19 digits for an order's number. It grows with the number."""
    return str(_FIRST_ID + number)


def number_of(order_id: str) -> int | None:
    """Return the number of an id, or None if it is not such an id."""
    if not (order_id.isascii() and order_id.isdecimal() and len(order_id) <= _MAX_ID_DIGITS):
        return None
    number = int(order_id) - _FIRST_ID
    return number if number >= 0 and order_id_of(number) == order_id else None


def word_of(state: OrderState) -> str:
    """Return the `state`. A status that was set by hand is shown as it is."""
    word = _STATES.get(state.exchange_status, state.exchange_status)
    return "partially_filled" if word == "live" and state.executed_e8 > 0 else word


def row_status(state: OrderState) -> Status | None:
    """Return what a row must say once the state was read; None for an unknown one."""
    return _ROW_STATUSES.get(word_of(state))
