from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Change, Confirm, Policy, decide
from reconciler.domain.order import Order
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.paper.dialects import NAMES, load_dialect
from reconciler.paper.dialects.binance import DIALECT
from reconciler.paper.listing import build_order, listed_order
from reconciler.paper.market import market_for
from reconciler.store.stale_order import StaleOrder
from reconciler.tune.sample import order_specs
from reconciler.tune.trial_exchange import TrialDialect

NOW = datetime(2026, 11, 24, tzinfo=UTC)
BINANCE = TrialDialect.of("binance")
SCALES = Policy(quantity_scale=DecimalPlaces(8), price_scale=DecimalPlaces(8))


def a_row(
    *,
    symbol: str = "BTCUSDT",
    external_order_id: str = "4711",
    status: Status = Status.NEW,
    executed_qty: str = "0",
    avg_price: str | None = None,
) -> StaleOrder:
    return StaleOrder(
        id=1,
        symbol=symbol,
        external_order_id=external_order_id,
        status=status,
        executed_qty=Decimal(executed_qty),
        avg_price=None if avg_price is None else Decimal(avg_price),
        created_at=NOW,
        is_on_hold=False,
    )


def decided(row: StaleOrder, *, ended_share: float) -> Confirm | Change:
    """Decide on a row as the trials' exchange will answer for it."""
    (given,) = order_specs([row], BINANCE, ended_share=ended_share)
    truth = listed_order(build_order(given, now_ms=0), DIALECT).truth
    assert truth.status is not None
    report = Report(
        symbol=row.symbol,
        external_order_id=str(given.order_id),
        word=given.status,
        status=truth.status,
        executed_qty=Decimal(truth.executed_qty),
        avg_price=None if truth.avg_price is None else Decimal(truth.avg_price),
        fetched_at=NOW,
    )
    order = Order(
        id=row.id,
        symbol=row.symbol,
        external_order_id=row.external_order_id,
        facts=row.facts,
        created_at=row.created_at,
    )
    decision = decide(order, report, NOW, SCALES)
    assert isinstance(decision, Confirm | Change)
    return decision


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(a_row(), id="new"),
        pytest.param(a_row(status=Status.PENDING), id="pending"),
        pytest.param(
            a_row(status=Status.PARTIAL, executed_qty="0.00123", avg_price="64250.12345528"),
            id="partial",
        ),
        pytest.param(a_row(status=Status.PARTIAL, executed_qty="2.5"), id="no average known"),
        pytest.param(a_row(status=Status.PARTIAL), id="partial with nothing executed"),
        pytest.param(
            a_row(status=Status.PARTIAL, executed_qty="9007199.25", avg_price="0.00001234"),
            id="many of little worth",
        ),
    ],
)
def test_trials_exchange_has_each_order_as_its_row_says(row: StaleOrder) -> None:
    assert decided(row, ended_share=0) == Confirm()


def test_ended_order_of_the_sample_changes_its_row() -> None:
    row = a_row(status=Status.PARTIAL, executed_qty="1.5", avg_price="100")

    decision = decided(row, ended_share=1)

    assert isinstance(decision, Change)
    assert decision.to.status is Status.CANCELED
    assert decision.to.executed_qty == Decimal("1.5")


@pytest.mark.parametrize(("share", "ended"), [(0, 0), (0.1, 10), (0.33, 33), (1, 100)])
def test_ended_share_of_the_sample_has_ended(share: float, ended: int) -> None:
    orders = [a_row(external_order_id=str(number)) for number in range(1, 101)]

    given = list(order_specs(orders, BINANCE, ended_share=share))

    assert sum(one.status == "CANCELED" for one in given) == ended


def test_symbols_of_the_sample_are_spelled_as_the_exchange_does() -> None:
    (given,) = order_specs([a_row(symbol="btc/usdt")], BINANCE, ended_share=0)

    assert given.symbol == "BTCUSDT"


@pytest.mark.parametrize("name", NAMES)
def test_trials_of_a_venue_have_its_ids_and_symbols(name: str) -> None:
    trial = TrialDialect.of(name)
    spelled = load_dialect(name)
    row = a_row(symbol=spelled.symbol(market_for("ETHEUR")), external_order_id=spelled.order_id(42))

    (given,) = order_specs([row], trial, ended_share=0)

    assert trial.exchange_name == name
    assert given.order_id == 42
    assert spelled.symbol(market_for(given.symbol)) == row.symbol


@pytest.mark.parametrize("name", ["paper", "ccxt:gate", "unheard-of"])
def test_trials_of_another_exchange_have_those_of_the_paper_exchange(name: str) -> None:
    trial = TrialDialect.of(name)

    assert (trial.exchange_name, trial.dialect.name) == ("paper", "binance")
    assert trial.number("4711") == 4711
    assert [trial.number(one) for one in ("x4711", "04711", "", "4711 ")] == [None] * 4
