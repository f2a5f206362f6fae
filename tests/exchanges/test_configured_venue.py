from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.errors import ConfigurationError
from reconciler.exchanges.configured_venue import configured_venue, with_lowered_limits
from reconciler.exchanges.registry import venue
from reconciler.resilience.limits import LimitScope, RateLimit
from reconciler.settings import Settings

COUNTER = RateLimit(name="counter", scope=LimitScope.KEY, amount=20, leak_per_second=1.0)
WEIGHT = RateLimit(
    name="weight", scope=LimitScope.ADDRESS, amount=6000, window=timedelta(minutes=1)
)


def test_settings_lower_a_limit_of_the_exchange() -> None:
    found = configured_venue(Settings.load(limits=" weight = 3000 ,"))

    assert [(limit.name, limit.amount) for limit in found.limits] == [("weight", 3000)]


def test_without_the_setting_the_published_limits_apply() -> None:
    assert configured_venue(Settings.load()) == venue("paper")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("bybit", "https://api.bybit.com/"),
        ("bybit", "http://[::1]:8900/gateway"),
        ("okx", "https://www.okx.com?simulated=1"),
        ("okx", "https://www.okx.com/?simulated=1"),
    ],
)
def test_address_may_have_a_path_and_what_its_exchange_takes(name: str, address: str) -> None:
    found = configured_venue(Settings.load(exchange_name=name, exchange_base_url=address))

    assert found.base_url == address


@pytest.mark.parametrize(
    ("name", "address", "what"),
    [
        ("bybit", "https://api.bybit.com?category=made-up", "a query or a fragment that bybit"),
        ("binance", "https://api.binance.com#made-up", "a query or a fragment that binance"),
        ("okx", "https://www.okx.com?simulated=true", "a query or a fragment that okx"),
        ("okx", "https://www.okx.com?simulated=1&made-up=1", "a query or a fragment that okx"),
        ("bybit", "https://", "is no address"),
        ("bybit", "https://user:made-up@", "is no address"),
        ("bybit", "https://api.bybit.com:made-up", "is no address"),
        ("bybit", "https://api.bybit.com:70000", "is no address"),
        ("bybit", "https://[made-up", "is no address"),
        ("bybit", "https://api.bybit.com made-up", "is no address"),
        ("bybit", "https://api.bybit.com\n", "is no address"),
    ],
)
def test_address_that_no_path_can_follow_is_refused(name: str, address: str, what: str) -> None:
    settings = Settings.load(exchange_name=name, exchange_base_url=address)

    with pytest.raises(ConfigurationError) as caught:
        configured_venue(settings)

    (problem,) = caught.value.problems
    assert problem.what.startswith("EXCHANGE_BASE_URL ")
    assert what in problem.what
    assert "made-up" not in str(problem)
    assert ("?simulated=1" in problem.hint) == (name == "okx")


def test_lowered_counter_leaks_more_slowly_in_proportion() -> None:
    published = replace(venue("paper"), limits=(WEIGHT, COUNTER))

    found = with_lowered_limits(published, {"counter": 5})

    assert found.limits == (WEIGHT, replace(COUNTER, amount=5, leak_per_second=0.25))


def test_published_amount_itself_is_accepted() -> None:
    assert with_lowered_limits(venue("paper"), {"weight": 6000}) == venue("paper")


@pytest.mark.parametrize(
    ("limits", "what", "hint"),
    [
        pytest.param(
            "wieght=3000",
            "RECONCILIATION_LIMITS names 'wieght', which is no limit of paper",
            "lower any of its limits: weight=6000",
            id="unknown",
        ),
        pytest.param(
            "weight=6001",
            "RECONCILIATION_LIMITS has weight=6001, more than paper allows",
            "set it to 6000 or less, or leave weight out",
            id="higher",
        ),
        pytest.param(
            "weight=19",
            "RECONCILIATION_LIMITS has weight=19, less than one request for orders takes",
            "set it to 20 or more",
            id="too low for one request",
        ),
    ],
)
def test_limit_that_the_exchange_does_not_have_is_refused(
    limits: str, what: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured_venue(Settings.load(limits=limits))

    assert [(problem.what, problem.hint) for problem in caught.value.problems] == [(what, hint)]


def test_all_refused_limits_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_lowered_limits(venue("paper"), {"a": 1, "weight": 9000, "b": 2})

    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    "text", ["weight", "weight=", "=5", "weight=0", "weight=-1", "weight=1.5", "weight=1,weight=2"]
)
def test_malformed_limits_are_refused_with_all_other_settings(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(limits=text, rate_share=2)

    assert len(caught.value.problems) == 2
    assert any("RECONCILIATION_LIMITS" in problem.what for problem in caught.value.problems)
