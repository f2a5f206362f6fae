"""Symbols and ids as people write them."""

from datetime import timedelta

import pytest

from reconciler.domain.report import OrderFault, Report
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.okx.adapter import LIST_AGAIN_AFTER
from reconciler.exchanges.okx.refs import Symbols, invalid_reason
from reconciler.exchanges.ref_checks import without_leading_zeros
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.exchanges.request_policy import SingleAttempt
from tests.exchanges.contract.conftest import PATIENCE_SECONDS
from tests.exchanges.contract.dialect import NOW, RequestKind
from tests.exchanges.contract.okx import Okx
from tests.exchanges.contract.server import serving
from tests.exchanges.fakes import RecordingBudget

LISTED = ("BTC-USDT", "ETH-USDT", "ABC-DEUR", "ABCD-EUR")


@pytest.mark.parametrize("symbol", ["BTC-USDT", "BTC/USDT", "btc_usdt", "btc-usdt"])
def test_a_symbol_with_its_two_halves_needs_no_list(symbol: str) -> None:
    assert Symbols().request_symbol(symbol) == "BTC-USDT"


def test_a_symbol_without_halves_is_that_of_the_listed_one_with_its_letters() -> None:
    assert Symbols().request_symbol("btcusdt") == "BTCUSDT"
    assert Symbols(LISTED).request_symbol("btcusdt") == "BTC-USDT"


@pytest.mark.parametrize("symbol", ["ABCDEUR", "XYZUSDT"], ids=["two listed", "none listed"])
def test_a_split_that_is_not_certain_is_not_guessed(symbol: str) -> None:
    assert Symbols(LISTED).request_symbol(symbol) == symbol


@pytest.mark.parametrize("symbol", ["BTC-USDT-SWAP", "BTC-", "-", ""])
def test_what_is_no_pair_stays_as_it_is(symbol: str) -> None:
    assert Symbols(LISTED).request_symbol(symbol) == symbol


@pytest.mark.parametrize(
    ("stored", "requested"),
    [("0680800019749904384", "680800019749904384"), ("000", "0"), ("b15", "b15"), ("0b", "0b")],
)
def test_an_id_loses_leading_zeros_only_if_it_is_a_number(stored: str, requested: str) -> None:
    assert without_leading_zeros(stored) == requested


@pytest.mark.parametrize(
    ("symbol", "order_id", "part"),
    [
        ("BTC-USDT", "b15", "client order id"),
        ("BTC-USDT", "", "too long for a name"),
        ("BTC-USDT", "+12", "no sign"),
        ("BTC-USDT", "1" * 21, "has 1 to 20 digits"),
        ("BTC-USDT", "١٢", "no sign"),
        ("BTC USDT", "12", "blanks or signs"),
        ("BTC&x=1", "12", "blanks or signs"),
        ("", "12", "too long for a name"),
    ],
)
def test_what_okx_cannot_know_is_not_asked(symbol: str, order_id: str, part: str) -> None:
    reason = invalid_reason(OrderRef(symbol=symbol, external_order_id=order_id))

    assert reason is not None
    assert part in reason


def test_ids_of_19_digits_are_asked() -> None:
    ref = OrderRef(symbol="BTC-USDT", external_order_id="1753197687182819328")

    assert invalid_reason(ref) is None


async def test_a_symbol_that_was_listed_since_is_found_without_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each look at the list is worth ten minutes, whatever the table asks for."""
    dialect, now = Okx(), NOW
    order = dialect.held(1, symbol="SOL-USDC")
    ref = OrderRef(symbol="SOLUSDC", external_order_id=order.order_id)
    async with serving(dialect) as server:
        server.holds(order)
        monkeypatch.setattr(dialect, "symbols", ("BTC-USDT",))
        okx = open_exchange(
            venue("okx", server.url),
            credentials=dialect.credentials,
            sender=SingleAttempt(PATIENCE_SECONDS),
            budget=RecordingBudget(),
            clock=lambda: now,
        )
        delisted = [(await okx.fetch([ref])).answers[ref] for _ in range(3)]
        monkeypatch.setattr(dialect, "symbols", ("BTC-USDT", "SOL-USDC"))
        now += LIST_AGAIN_AFTER - timedelta(seconds=1)
        early = (await okx.fetch([ref])).answers[ref]
        now += timedelta(seconds=1)
        found = [(await okx.fetch([ref])).answers[ref] for _ in range(3)]
        await okx.close()

    assert all(isinstance(answer, OrderFault) for answer in (*delisted, early))
    assert all(isinstance(answer, Report) for answer in found)
    assert server.kinds().count(RequestKind.SYMBOLS) == 2
