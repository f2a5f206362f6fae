"""What a row, a list or an error says about the orders it was asked for: pure translation.

An order gets an answer only from a row of its own symbol and id, or from a look-up of its own. One
whose row cannot be read fails alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from sys import intern

from reconciler.domain.report import Absent, Answer, Report, Unanswerable, average_price
from reconciler.domain.status import Status
from reconciler.errors import Malformed, Refused, Unavailable
from reconciler.exchanges.base import Failure, Wanted
from reconciler.exchanges.binance.facts import (
    ARCHIVED_WORD,
    COSTS,
    FORM_HINT,
    ILLEGAL_CHARACTERS,
    STATUSES,
    Meaning,
)
from reconciler.exchanges.binance.session import Fetched
from reconciler.exchanges.binance.wire import Fault, Row
from reconciler.exchanges.routes import HistoryPage, OpenOrders, Page

LONGEST_NAME = 100
"""A longer name of an order or a symbol fits no request, and is cut where a person reads it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one request brought; `page` only where it was a page of history."""

    answers: Mapping[Wanted, Answer] = field(default_factory=dict)
    failures: Mapping[Wanted, Failure] = field(default_factory=dict)
    page: Page | None = None


def read_one(order: Wanted, fetched: Fetched[Row]) -> Outcome:
    """Take from a look-up what it says of its order.

    Raises:
        ExchangeError: nothing.
    """
    if isinstance(fetched.value, Fault):
        return Outcome(answers={order: _conclude(order, fetched.value, fetched.fetched_at)})
    return Outcome(answers={order: _report(order, fetched.value, fetched.fetched_at)})


def read_list(
    route: OpenOrders | HistoryPage, asked: frozenset[Wanted], fetched: Fetched[list[Row]]
) -> Outcome:
    """Take from a list what it says of the orders asked for, and nothing else.

    Raises:
        Unavailable: nothing of any of them.
    """
    if isinstance(fetched.value, Fault):
        return _conclude_list(route, asked, fetched.value, fetched.fetched_at)
    answers: dict[Wanted, Answer] = {}
    failures: dict[Wanted, Failure] = {}
    for row in fetched.value:
        order = Wanted(symbol=row.symbol, external_order_id=str(row.order_id))
        if order not in asked:
            continue
        try:
            answers[order] = _report(order, row, fetched.fetched_at)
        except Malformed as failure:
            failures[order] = failure
    page = _page(route, fetched.value) if isinstance(route, HistoryPage) else None
    return Outcome(answers=answers, failures=failures, page=page)


def unanswerable(order: Wanted, why: str, fetched_at: datetime) -> Unanswerable:
    """Say that the exchange cannot be asked for `order`, and what a person does about it."""
    return Unanswerable(
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
    route: OpenOrders | HistoryPage, asked: frozenset[Wanted], fault: Fault, fetched_at: datetime
) -> Outcome:
    """Return what an error says of a whole list: that its symbol is wrong, or nothing of a row.

    Raises:
        Refused: how we ask for lists is wrong.
        Unavailable: nothing follows.
    """
    match fault.meaning:
        case Meaning.UNKNOWN_SYMBOL if route.symbol is not None:
            pass
        case Meaning.BAD_PARAMETER if route.symbol is None or not _is_illegal_symbol(fault):
            raise Refused(fault.told, hint=FORM_HINT)
        case Meaning.BAD_PARAMETER:
            pass
        case _:
            raise Unavailable(fault.told)
    return Outcome(answers={order: unanswerable(order, fault.told, fetched_at) for order in asked})


def _is_illegal_symbol(fault: Fault) -> bool:
    """Whether a symbol has letters that no symbol has: of all parameters of a list, a row's own."""
    return fault.code == ILLEGAL_CHARACTERS and fault.parameter == "symbol"


def _conclude(order: Wanted, fault: Fault, fetched_at: datetime) -> Answer:
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
            # errors.md, -2026: canceled or expired over 90 days ago with nothing executed.
            return Report(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                word=ARCHIVED_WORD,
                status=Status.CANCELED,
                executed_qty=Decimal(0),
                avg_price=None,
                fetched_at=fetched_at,
            )
        case Meaning.UNKNOWN_SYMBOL:
            return unanswerable(order, fault.told, fetched_at)
        case Meaning.BAD_PARAMETER if fault.parameter in {None, "symbol", "orderId"}:
            return unanswerable(order, fault.told, fetched_at)
        case Meaning.BAD_PARAMETER:
            raise Refused(fault.told, hint=FORM_HINT)
        case _:
            raise Unavailable(fault.told)


def _page(route: HistoryPage, rows: Sequence[Row]) -> Page:
    ids = {
        row.order_id for row in rows if row.symbol == route.symbol and row.order_id >= route.from_id
    }
    return Page(route=route, ids=tuple(sorted(ids)), is_last=len(rows) < COSTS.page_orders)


def _report(order: Wanted, row: Row, fetched_at: datetime) -> Report:
    """Translate a row.

    Raises:
        Malformed: it is another order's, or a quantity is no number, negative or not finite.
    """
    if (row.symbol, str(row.order_id)) != (order.symbol, order.external_order_id):
        raise Malformed(
            f"asked for order {order.external_order_id} of {order.symbol}, the answer is about"
            f" order {row.order_id} of {row.symbol}"
        )
    try:
        executed_qty = Decimal(row.executed_qty)
        quote = None if row.cummulative_quote_qty is None else Decimal(row.cummulative_quote_qty)
        return Report(
            symbol=order.symbol,
            external_order_id=order.external_order_id,
            word=intern(row.status),
            status=STATUSES.get(row.status),
            executed_qty=executed_qty,
            avg_price=average_price(quote, executed_qty),
            fetched_at=fetched_at,
        )
    except (ArithmeticError, ValueError):
        raise Malformed(
            f"order {row.order_id} of {row.symbol}: executedQty {row.executed_qty!r} and"
            f" cummulativeQuoteQty {row.cummulative_quote_qty!r} are no quantities"
        ) from None
