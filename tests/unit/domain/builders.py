"""Orders, reports and times with defaults: a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Change, Decision, Policy, decide
from reconciler.domain.order import Facts, Order, Side
from reconciler.domain.report import Absent, Answer, Archived, OrderFault, Report
from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.domain.value import replace

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
A_DAY_AGO = NOW - timedelta(days=1)
JUST_FETCHED = NOW - timedelta(seconds=1)
SYMBOL = "BTCUSDT"
ORDER_ID = "9007199254740993"
EIGHT_PLACES = DecimalPlaces(8)
POLICY = Policy(
    quantity_scale=EIGHT_PLACES,
    price_scale=EIGHT_PLACES,
    retention=Retention(unfilled=timedelta(days=90)),
)


def some_facts(
    status: Status = Status.NEW, executed: str = "0", average: str | None = None
) -> Facts:
    return Facts(
        status=status,
        executed_qty=Decimal(executed),
        avg_price=None if average is None else Decimal(average),
    )


def an_order(
    status: Status = Status.NEW,
    executed: str = "0",
    average: str | None = None,
    *,
    created_at: datetime | None = A_DAY_AGO,
    updated_at: datetime | None = None,
    absences: int = 0,
    qty: str | None = None,
    side: Side | None = None,
    client_order_id: str | None = None,
) -> Order:
    return Order(
        id=1,
        symbol=SYMBOL,
        external_order_id=ORDER_ID,
        facts=some_facts(status, executed, average),
        created_at=created_at,
        updated_at=updated_at,
        absences=absences,
        qty=None if qty is None else Decimal(qty),
        side=side,
        client_order_id=client_order_id,
    )


def a_report(
    status: Status | None = Status.NEW,
    executed: str = "0",
    average: str | None = None,
    *,
    word: str | None = None,
    symbol: str = SYMBOL,
    external_order_id: str = ORDER_ID,
    fetched_at: datetime = JUST_FETCHED,
    quantity: str | None = None,
    is_quote_sized: bool = False,
    side: Side | None = None,
    client_order_id: str | None = None,
    placed_at: datetime | None = None,
) -> Report:
    return Report(
        symbol=symbol,
        external_order_id=external_order_id,
        word=word or (status.value.upper() if status else "HALTED"),
        status=status,
        executed_qty=Decimal(executed),
        avg_price=None if average is None else Decimal(average),
        fetched_at=fetched_at,
        quantity=None if quantity is None else Decimal(quantity),
        is_quote_sized=is_quote_sized,
        side=side,
        client_order_id=client_order_id,
        placed_at=placed_at,
    )


def an_archived(fetched_at: datetime = JUST_FETCHED) -> Archived:
    return Archived(symbol=SYMBOL, external_order_id=ORDER_ID, fetched_at=fetched_at)


def an_absence(fetched_at: datetime = JUST_FETCHED) -> Absent:
    return Absent(symbol=SYMBOL, external_order_id=ORDER_ID, fetched_at=fetched_at)


def a_fault(detail: str = "no such symbol", fetched_at: datetime = JUST_FETCHED) -> OrderFault:
    return OrderFault(
        symbol=SYMBOL, external_order_id=ORDER_ID, detail=detail, fetched_at=fetched_at
    )


def decided(
    order: Order, answer: Answer | None, *, now: datetime = NOW, policy: Policy = POLICY
) -> Decision:
    return decide(order, answer, now, policy)


def written(order: Order, decision: Decision) -> Order:
    """Return the row once the decision has been carried out, in a table without `updated_at`."""
    return replace(order, facts=decision.to) if isinstance(decision, Change) else order
