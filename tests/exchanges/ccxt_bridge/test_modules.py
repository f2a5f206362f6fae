"""Only the module of the exchange that is asked for is loaded."""

import subprocess
import sys

import pytest

from reconciler.errors import ConfigurationError
from reconciler.exchanges.ccxt.modules import exchange_ids, load_class
from reconciler.exchanges.registry import venue

LOADED = """
import sys
from reconciler.exchanges.registry import venue
venue("ccxt:gate")
print(*(name for name in sys.modules if name.startswith("ccxt.async_support.")))
"""


def test_process_that_uses_the_bridge_loads_one_exchange() -> None:
    run = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )

    modules = {name for name in run.stdout.split() if name.count(".") == 2}
    assert modules == {"ccxt.async_support.gate", "ccxt.async_support.base"}


def test_process_that_uses_another_adapter_does_not_load_ccxt() -> None:
    code = LOADED.replace("ccxt:gate", "binance").replace("ccxt.async_support.", "ccxt")

    run = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == ""


@pytest.mark.parametrize(
    ("name", "meant"),
    [("krakn", "ccxt:kraken"), ("BitGet", "ccxt:bitget"), ("gateio2", "ccxt:gate")],
)
def test_unknown_exchange_is_refused_with_the_nearest_names(name: str, meant: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        venue(f"ccxt:{name}")

    (problem,) = caught.value.problems
    assert name in problem.what
    assert meant in problem.hint


@pytest.mark.parametrize("name", ["", "..", "base", "__init__", "x" * 500, "os;import"])
def test_name_that_is_like_no_exchange_is_refused_with_where_to_look(name: str) -> None:
    with pytest.raises(ConfigurationError):
        load_class(name)


@pytest.mark.parametrize(
    ("name", "named"), [("paymium", "look up one order"), ("hyperliquid", "walletAddress")]
)
def test_exchange_that_the_bridge_cannot_use_is_refused_with_the_reason(
    name: str, named: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        venue(f"ccxt:{name}")

    assert any(named in problem.what for problem in caught.value.problems)
    assert all("add-an-exchange" in problem.hint for problem in caught.value.problems)


def test_every_exchange_of_the_installed_ccxt_is_either_usable_or_refused_with_a_reason() -> None:
    usable, refused = {}, {}
    for exchange_id in exchange_ids():
        try:
            usable[exchange_id] = venue(f"ccxt:{exchange_id}")
        except ConfigurationError as error:
            refused[exchange_id] = error.problems

    assert all(refused.values())
    assert len(usable) > len(refused)
    assert {"gate", "kucoin", "bitget", "htx", "bitstamp"} <= usable.keys()
    for found in usable.values():
        (limit,) = found.limits
        assert limit.amount >= found.lookup_cost[limit.name]
        assert found.base_url.startswith("http")
