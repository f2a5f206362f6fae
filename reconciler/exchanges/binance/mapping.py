"""What a row, a list or an error says about the orders it was asked for: pure translation.

An order gets an answer only from a row of its own symbol and id, or from a look-up of its own. One
whose row cannot be read fails alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from sys import intern

from reconciler.domain.order import SIDES
from reconciler.domain.report import (
    Absent,
    Answer,
    Archived,
    OrderFault,
    Report,
    average_price,
)
from reconciler.errors import Malformed, Refused, Unavailable, UnreadableRow
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.binance.constants import (
    COSTS,
    FORM_HINT,
    ILLEGAL_CHARACTERS,
    STATUSES,
    Meaning,
)
from reconciler.exchanges.binance.decoding import Fault
from reconciler.exchanges.binance.order_rows import Row, Rows, Unreadable, read_row
from reconciler.exchanges.binance.session import Fetched
from reconciler.exchanges.query_plan import ListOpenOrders, ListOrdersFrom, QueryResult

LONGEST_NAME = 100
"""A longer name of an order or a symbol fits no request, and is cut where a person reads it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one request brought; `page` only where it was a page of history.

    `is_refused`: a firewall let no request about this order through. `unlisted` are orders that a
    list cannot be asked for: the exchange rejects it.
    """

    answers: Mapping[OrderRef, Answer] = field(default_factory=dict)
    failures: Mapping[OrderRef, Failure] = field(default_factory=dict)
    page: QueryResult | None = None
    is_refused: bool = False
    unlisted: frozenset[OrderRef] = frozenset()


def row_about(order: OrderRef, body: bytes) -> Row | Unreadable:
    """Read the answer to a look-up of `order`.

    Raises:
        ValueError: it is no order.
        UnreadableRow: it is another, or bears no name. That may be a neighbour's answer, which the
            next attempt does not get; if it does, only this order is the worse for it.
    """
    row = read_row(body)
    if (row.symbol, str(row.order_id)) != (order.symbol, order.external_order_id):
        why = f" ({row.why})" if isinstance(row, Unreadable) else ""
        raise UnreadableRow(
            f"asked for order {order.external_order_id} of {order.symbol}, the answer is about"
            f" order {row.order_id} of {str(row.symbol)[:LONGEST_NAME]}{why}"
        )
    return row


def read_one(order: OrderRef, fetched: Fetched[Row | Unreadable]) -> Outcome:
    """Take from a look-up what it says of its order.

    Raises:
        ExchangeError: it says nothing of it.
    """
    if isinstance(fetched.value, Fault):
        return Outcome(
            answers={order: _conclude(order, fetched.value, fetched.fetched_at)},
            is_refused=fetched.value.meaning is Meaning.FIREWALL,
        )
    return _read_rows(frozenset({order}), [fetched.value], fetched.fetched_at)


def read_list(
    route: ListOpenOrders | ListOrdersFrom, asked: frozenset[OrderRef], fetched: Fetched[Rows]
) -> Outcome:
    """Take from a list what it says of the orders asked for, and nothing else.

    Raises:
        Refused: how we ask for lists is wrong.
        Unavailable: it says nothing of any of them.
    """
    if isinstance(fetched.value, Fault):
        return _conclude_list(route, asked, fetched.value, fetched.fetched_at)
    outcome = _read_rows(asked, fetched.value, fetched.fetched_at)
    page = _page(route, fetched.value) if isinstance(route, ListOrdersFrom) else None
    return Outcome(answers=outcome.answers, failures=outcome.failures, page=page)


def rows_for(symbol: str | None, rows: Rows) -> Rows:
    """Return the rows of a list that was asked for by `symbol`; None: by none.

    Raises:
        ValueError: it is not the answer to that question, since every order is of another symbol.
    """
    if symbol is not None and rows and all(row.symbol not in {symbol, None} for row in rows):
        raise ValueError(
            f"asked for orders of {symbol}, the answer is about"
            f" {str(rows[0].symbol)[:LONGEST_NAME]}"
        )
    return rows


def _read_rows(asked: frozenset[OrderRef], rows: Rows, fetched_at: datetime) -> Outcome:
    answers: dict[OrderRef, Answer] = {}
    failures: dict[OrderRef, Failure] = {}
    for row in rows:
        # A row that does not say of which order it is proves nothing of any, nor does what is
        # missing from a list: only a look-up by name ends the search for an order.
        if row.symbol is None or row.order_id is None:
            continue
        order = OrderRef(symbol=row.symbol, external_order_id=str(row.order_id))
        if order not in asked:
            continue
        try:
            answers[order] = _report(order, _readable(row), fetched_at)
        except Malformed as failure:
            failures[order] = UnreadableRow(str(failure))
    # A row that contradicts another takes that one's answer with it.
    answers = {order: answer for order, answer in answers.items() if order not in failures}
    return Outcome(answers=answers, failures=failures)


def _readable(row: Row | Unreadable) -> Row:
    if isinstance(row, Unreadable):
        raise Malformed(f"order {row.order_id} of {row.symbol} cannot be read: {row.why}")
    return row


def unanswerable(order: OrderRef, why: str, fetched_at: datetime) -> OrderFault:
    """Say that the exchange cannot be asked for `order`, and what a person does about it."""
    return OrderFault(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        detail=(
            f"the exchange cannot be asked for order {order.external_order_id[:LONGEST_NAME]!r} of"
            f" {order.symbol[:LONGEST_NAME]!r} ({why}): correct the row's symbol or"
            " external_order_id"
        ),
        fetched_at=fetched_at,
    )


def _conclude_list(
    route: ListOpenOrders | ListOrdersFrom,
    asked: frozenset[OrderRef],
    fault: Fault,
    fetched_at: datetime,
) -> Outcome:
    """Return what an error says of a whole list: that its symbol is wrong, or nothing of a row.

    Raises:
        Refused: how we ask for lists is wrong.
        Unavailable: nothing follows.
    """
    match fault.meaning:
        case Meaning.UNKNOWN_SYMBOL if route.symbol is not None:
            why = _told_of_symbol(fault)
        case Meaning.BAD_PARAMETER if route.symbol is None or not _is_illegal_symbol(fault):
            raise Refused(fault.told, hint=FORM_HINT)
        case Meaning.BAD_PARAMETER:
            why = fault.told
        case _:
            raise Unavailable(fault.told)
    return Outcome(answers={order: unanswerable(order, why, fetched_at) for order in asked})


def _told_of_symbol(fault: Fault) -> str:
    return (
        f"the exchange does not list this symbol, or no longer: it was delisted, renamed, or is"
        f" misspelt; {fault.told}"
    )


def refused_by_firewall(order: OrderRef, told: str, fetched_at: datetime) -> OrderFault:
    """Say that a firewall lets no request through that names `order`."""
    why = f"a firewall refuses requests that name it, and lets others pass; {told}"
    return unanswerable(order, why, fetched_at)


def _is_illegal_symbol(fault: Fault) -> bool:
    """Whether a symbol has letters that no symbol has: of all parameters of a list, a row's own."""
    return fault.code == ILLEGAL_CHARACTERS and fault.parameter == "symbol"


def _conclude(order: OrderRef, fault: Fault, fetched_at: datetime) -> Answer:
    """Return the answer that an error gives about `order` itself.

    Raises:
        Refused: it is about how we ask.
        Unavailable: it gives none.
    """
    match fault.meaning:
        case Meaning.ABSENT:
            return Absent(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                fetched_at=fetched_at,
            )
        case Meaning.ARCHIVED:
            # errors.md, -2026. How far that may be believed is for `decide` to say: it was sent
            # for fresh orders, too (CHANGELOG.md, 2023-07-11 and 2023-12-04; read 2026-11-27).
            return Archived(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                fetched_at=fetched_at,
            )
        case Meaning.UNKNOWN_SYMBOL:
            return unanswerable(order, _told_of_symbol(fault), fetched_at)
        case Meaning.FIREWALL:
            return refused_by_firewall(order, fault.told, fetched_at)
        case Meaning.BAD_PARAMETER if fault.parameter in {None, "symbol", "orderId"}:
            return unanswerable(order, fault.told, fetched_at)
        case Meaning.BAD_PARAMETER:
            raise Refused(fault.told, hint=FORM_HINT)
        case _:
            raise Unavailable(fault.told)


def _page(route: ListOrdersFrom, rows: Rows) -> QueryResult:
    ids = {
        row.order_id
        for row in rows
        if row.symbol == route.symbol and row.order_id is not None and row.order_id >= route.from_id
    }
    return QueryResult(route=route, ids=tuple(sorted(ids)), is_last=len(rows) < COSTS.page_orders)


def _report(order: OrderRef, row: Row, fetched_at: datetime) -> Report:
    """Translate a row of `order`.

    Raises:
        UnreadableRow: what it says cannot be true.
    """
    executed_qty = _quantity(row, "executedQty", row.executed_qty)
    quote_quantity = _optional_quantity(row, "origQuoteOrderQty", row.orig_quote_order_qty)
    is_quote_sized = quote_quantity is not None and quote_quantity > 0
    return Report(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        word=_word(row.status),
        status=STATUSES.get(row.status),
        executed_qty=executed_qty,
        avg_price=average_price(_quote(row), executed_qty),
        fetched_at=fetched_at,
        quantity=None if is_quote_sized else _own_quantity(row, executed_qty, quote_quantity),
        is_quote_sized=is_quote_sized,
        side=SIDES.get(row.side.lower()) if isinstance(row.side, str) else None,
        client_order_id=_client_id(row.client_order_id),
        placed_at=_moment(row.time),
    )


_LONGEST_WORD = 40
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}


def _word(told: str) -> str:
    """Return the exchange's word for a status; of one that nobody knows only a short start.

    What is kept, logged and shown is then short, and has no sign that a database or a terminal
    takes amiss.
    """
    if told in STATUSES:
        return intern(told)
    return (
        told[:_LONGEST_WORD]
        .translate(_CONTROLS)
        .encode("ascii", "backslashreplace")
        .decode()[:_LONGEST_WORD]
    )


# Binance sends its DECIMALs as text (rest-api.md, "General API Information", read 2026-11-27).
# Python takes more for a number than that: "1_000", Arabic digits, blanks and line ends, exponents.
_QUANTITY = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_QUOTE = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_LONGEST_SHOWN = 40


def _quantity(row: Row, name: str, told: str, form: re.Pattern[str] = _QUANTITY) -> Decimal:
    if form.fullmatch(told) is None:
        raise UnreadableRow(
            f"order {row.order_id} of {row.symbol[:LONGEST_NAME]}: {name}"
            f" {told[:_LONGEST_SHOWN]!r} is no quantity"
        )
    return Decimal(told)


def _optional_quantity(row: Row, name: str, told: str | None) -> Decimal | None:
    return None if told is None else _quantity(row, name, told)


def _quote(row: Row) -> Decimal | None:
    """Return what was paid; below zero it is not known (rest-api.md, "Query order")."""
    told = row.cummulative_quote_qty
    return None if told is None else _quantity(row, "cummulativeQuoteQty", told, _QUOTE)


def _own_quantity(
    row: Row, executed_qty: Decimal, quote_quantity: Decimal | None
) -> Decimal | None:
    """Return what was ordered; zero tells nothing where the row has no size in quote currency."""
    if row.orig_qty is None:
        return None
    if row.orig_qty == row.executed_qty:
        quantity = executed_qty  # One number instead of two: a batch keeps thousands.
    else:
        quantity = _quantity(row, "origQty", row.orig_qty)
    if quantity == 0 and quote_quantity is None:
        return None
    if executed_qty > quantity:
        raise UnreadableRow(
            f"order {row.order_id} of {row.symbol[:LONGEST_NAME]}: executedQty {row.executed_qty}"
            f" of origQty {row.orig_qty}, more than was ordered"
        )
    return quantity


def _client_id(told: object) -> str | None:
    """Return a client id; None for what can be none (rest-api.md: 36 letters, digits and signs)."""
    is_one = isinstance(told, str) and len(told) <= LONGEST_NAME and told.isprintable()
    return str(told) if is_one else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS = 4_102_444_800_000  # The year 2100.


def _moment(milliseconds: object) -> datetime | None:
    """Return a time in ms since 1970; None for what can be none."""
    if not isinstance(milliseconds, int) or not 0 < milliseconds < _LATEST_MS:
        return None
    return _EPOCH + timedelta(milliseconds=milliseconds)
