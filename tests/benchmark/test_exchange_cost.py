import pytest

from reconciler.exchanges.binance.constants import COSTS
from scripts.benchmark.exchange_cost.optimum import least_expected_weight
from scripts.benchmark.exchange_cost.simulated import simulated_account


@pytest.mark.parametrize(
    ("counts", "ended_share", "least"),
    [
        pytest.param((1,), 0.5, 4, id="one order by name"),
        pytest.param((2,), 0.0, 6, id="two open ones by the list"),
        pytest.param((8,), 1.0, 20, id="many ended ones by a page"),
        pytest.param((2, 2), 0.0, 12, id="two symbols, a list each"),
    ],
)
def test_the_optimum_of_a_few_orders_is_what_one_finds_by_hand(
    counts: tuple[int, ...], ended_share: float, least: float
) -> None:
    assert least_expected_weight(counts, COSTS, ended_share) == pytest.approx(least)


def test_an_imagined_account_has_more_orders_than_are_wanted() -> None:
    refs, account = simulated_account(2, 1, step=3)

    assert [order.external_order_id for order in refs] == ["100", "103", "100"]
    assert len(account.ended) == 9
