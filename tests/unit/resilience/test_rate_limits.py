import math
from collections.abc import Callable
from datetime import timedelta

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from reconciler.resilience.limits import LimitReading, LimitScope, RateLimit
from reconciler.resilience.rate_limits import RateLimits, per_minute
from tests.fakes import FakeClock, weight_limit


def a_window(
    name: str, amount: int, seconds: float, scope: LimitScope = LimitScope.ROUTE
) -> RateLimit:
    return RateLimit(name=name, scope=scope, amount=amount, window=timedelta(seconds=seconds))


COUNTER = RateLimit(name="counter", scope=LimitScope.KEY, amount=15, leak_per_second=0.5)
BYBIT_LIKE = (
    a_window("address", 600, 5, LimitScope.ADDRESS),
    a_window("orders", 50, 1),
    a_window("history", 10, 1),
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def limits(clock: FakeClock) -> RateLimits:
    """Limits of which 100 a minute may be spent."""
    return RateLimits(weight_limit(200), 0.5, clock=clock)


def weight_used(limits: RateLimits) -> float:
    (use,) = limits.uses
    return use.used


def used(limits: RateLimits) -> dict[str, float]:
    return {use.limit.name: use.used for use in limits.uses}


def spend_when_allowed(limits: RateLimits, clock: FakeClock, weight: int) -> None:
    while wait_seconds := limits.reserve({"weight": weight}):
        clock.now += wait_seconds


def test_limit_is_spent_up_to_its_share_at_once(limits: RateLimits) -> None:
    waits = [limits.reserve({"weight": 20}) for _ in range(5)]

    assert waits == [0.0] * 5
    assert weight_used(limits) == 100


def test_weight_returns_the_wait_until_weight_expires(limits: RateLimits, clock: FakeClock) -> None:
    limits.reserve({"weight": 40})
    clock.now += 10
    limits.reserve({"weight": 60})
    clock.now += 5

    assert limits.reserve({"weight": 40}) == 45
    assert limits.reserve({"weight": 41}) == 55
    assert weight_used(limits) == 100


def test_refused_reservation_spends_no_weight(limits: RateLimits, clock: FakeClock) -> None:
    limits.reserve({"weight": 100})
    for _ in range(10):
        limits.reserve({"weight": 1})

    clock.now += 60

    assert limits.reserve({"weight": 100}) == 0.0


def test_weight_above_the_whole_share_is_allowed_alone(
    limits: RateLimits, clock: FakeClock
) -> None:
    limits.reserve({"weight": 1})
    clock.now += 20
    assert limits.reserve({"weight": 150}) == 40
    clock.now += 40

    assert limits.reserve({"weight": 150}) == 0.0
    assert limits.reserve({"weight": 1}) == 60


@given(
    share=st.floats(0.01, 1),
    asks=st.lists(st.tuples(st.floats(0, 70), st.integers(1, 300)), max_size=80),
)
def test_no_window_ever_holds_more_than_the_share(
    share: float, asks: list[tuple[float, int]]
) -> None:
    clock = FakeClock()
    limits = RateLimits(weight_limit(200), share, clock=clock)
    spent: list[tuple[float, int]] = []
    for gap, weight in asks:
        clock.now += gap
        spend_when_allowed(limits, clock, weight)
        spent.append((clock.now, weight))

    for start, _ in spent:
        weights = [weight for at, weight in spent if start <= at < start + 60]
        assert sum(weights) <= math.floor(200 * share) or len(weights) == 1


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), min_size=1, max_size=40))
def test_waiting_as_long_as_returned_is_enough(
    asks: list[tuple[float, int]],
) -> None:
    clock = FakeClock()
    limits = RateLimits(weight_limit(200), 0.5, clock=clock)
    for gap, weight in asks:
        clock.now += gap
        wait_seconds = limits.reserve({"weight": weight})
        if wait_seconds > 0:
            # The clock's rounding may leave a rest, which is waited out with the shortest wait.
            clock.now += wait_seconds + 0.001

            assert limits.reserve({"weight": weight}) == 0.0


def test_nothing_is_spent_during_a_pause(limits: RateLimits, clock: FakeClock) -> None:
    limits.pause(30)
    clock.now += 10

    assert limits.reserve({"weight": 1}) == 20
    assert limits.paused_seconds == 20

    clock.now += 20

    assert limits.reserve({"weight": 1}) == 0.0
    assert limits.paused_seconds == 0.0


def test_longest_of_several_pauses_wins(limits: RateLimits) -> None:
    limits.pause(10)
    limits.pause(30)
    limits.pause(20)

    assert limits.paused_seconds == 30


def test_wait_is_never_too_short_for_the_clock(limits: RateLimits, clock: FakeClock) -> None:
    limits.pause(1e-12)
    clock.now = math.nextafter(clock.now, 0)

    assert limits.reserve({"weight": 1}) >= 0.001


@pytest.mark.parametrize(("used", "paused"), [(0, 0), (179, 0), (180, 60), (200, 60), (900, 60)])
def test_weight_pauses_when_the_account_used_nearly_all(
    limits: RateLimits, used: int, paused: float
) -> None:
    limits.observe(LimitReading(name="weight", used=used))

    assert limits.paused_seconds == paused


def test_weight_pauses_only_until_the_minute_is_over(limits: RateLimits, clock: FakeClock) -> None:
    limits.observe(LimitReading(name="weight", used=150))
    limits.observe(LimitReading(name="weight", used=5))
    clock.now += 25

    limits.observe(LimitReading(name="weight", used=190))

    assert limits.paused_seconds == 35


def test_exchange_minutes_follow_each_other_without_gaps(
    limits: RateLimits, clock: FakeClock
) -> None:
    limits.observe(LimitReading(name="weight", used=150))
    limits.observe(LimitReading(name="weight", used=5))
    clock.now += 180 + 25

    limits.observe(LimitReading(name="weight", used=190))

    assert limits.paused_seconds == 35


def test_answers_out_of_order_do_not_begin_a_minute(limits: RateLimits, clock: FakeClock) -> None:
    limits.observe(LimitReading(name="weight", used=150))
    limits.observe(LimitReading(name="weight", used=5))
    clock.now += 20
    limits.observe(LimitReading(name="weight", used=160))
    limits.observe(LimitReading(name="weight", used=140))

    limits.observe(LimitReading(name="weight", used=190))

    assert limits.paused_seconds == 40


def test_request_takes_from_each_limit_that_it_names(clock: FakeClock) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)

    assert limits.reserve({"address": 1, "orders": 2}) == 0

    assert used(limits) == {"address": 1, "orders": 2, "history": 0}


def test_request_takes_from_none_if_one_limit_is_short(clock: FakeClock) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)
    limits.reserve({"address": 10, "history": 10})

    assert limits.reserve({"address": 1, "history": 1}) == 1
    assert limits.short({"address": 1, "history": 1}) == {"history"}
    assert used(limits) == {"address": 10, "orders": 0, "history": 10}
    assert limits.reserve({"address": 1, "orders": 1}) == 0


def test_tightest_limit_is_the_one_with_the_largest_used_part(clock: FakeClock) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)
    assert limits.tightest is not None
    assert limits.tightest.limit.name == "address"

    limits.reserve({"address": 20, "orders": 10, "history": 5})

    assert limits.tightest.limit.name == "history"


def test_blocked_limit_is_the_tightest_whatever_we_used(clock: FakeClock) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)
    limits.reserve({"address": 20, "orders": 10, "history": 5})

    limits.observe(LimitReading(name="orders", remaining=2, reset_seconds=0.4))

    assert limits.tightest is not None
    assert limits.tightest.limit.name == "orders"


def test_cost_of_nothing_waits_for_a_pause_only(clock: FakeClock) -> None:
    limits = RateLimits(weight_limit(1), 1, clock=clock)
    limits.reserve({"weight": 1})
    assert limits.reserve({}) == limits.reserve({"weight": 0}) == 0

    limits.pause(5)

    assert limits.reserve({}) == 5


def test_unknown_limit_takes_nothing_and_is_logged_once(clock: FakeClock) -> None:
    limits = RateLimits(weight_limit(100), 1, clock=clock)

    with structlog.testing.capture_logs() as logged:
        assert [limits.reserve({"wieght": 1000}) for _ in range(3)] == [0, 0, 0]

    assert [(line["event"], line["limit"]) for line in logged] == [
        ("budget.unknown_limit", "wieght")
    ]


def test_leaking_counter_allows_a_share_of_its_cap_and_of_its_leak(clock: FakeClock) -> None:
    limits = RateLimits((COUNTER,), 0.5, clock=clock)
    for _ in range(7):
        assert limits.reserve({"counter": 1}) == 0

    # 7 of 7.5 are used: half a unit more has to leak, at a quarter a second.
    assert limits.reserve({"counter": 1}) == pytest.approx(2)
    assert limits.reserve({"counter": 2}) == pytest.approx(6)


@pytest.mark.parametrize(
    ("reading", "blocked"),
    [
        pytest.param({"used": 44}, 0, id="enough is left"),
        pytest.param(
            {"used": 45}, 1, id="little is left: the whole window, if unknown when it ends"
        ),
        pytest.param({"remaining": 5, "reset_seconds": 0.25}, 0.25, id="until it is reset"),
        pytest.param({"remaining": 0, "reset_seconds": 9e9}, 1, id="an absurd reset"),
        pytest.param({"remaining": 400}, 0, id="an account with a higher limit"),
        pytest.param({"used": 50, "remaining": 300}, 0, id="what is left counts more"),
        pytest.param({"reset_seconds": 0.5}, 0, id="a reset alone says nothing"),
    ],
)
def test_reading_blocks_a_route_until_its_window_is_over(
    clock: FakeClock, reading: dict[str, float], blocked: float
) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)

    limits.observe(LimitReading(name="orders", **reading))  # type: ignore[arg-type]  # a table

    assert limits.reserve({"address": 1, "orders": 1}) == pytest.approx(blocked)
    assert limits.reserve({"address": 1, "history": 1}) == 0
    assert limits.paused_seconds == 0
    assert not limits.needs_probe


def test_reading_of_an_address_blocks_everything_and_wants_a_probe(clock: FakeClock) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)

    limits.observe(LimitReading(name="address", remaining=3, reset_seconds=2))

    assert limits.paused_seconds == limits.reserve({"address": 1, "orders": 1}) == 2
    assert limits.needs_probe


def test_reading_of_a_full_counter_waits_until_a_request_leaks(clock: FakeClock) -> None:
    limits = RateLimits((COUNTER,), 1, clock=clock)

    limits.observe(LimitReading(name="counter", used=15))

    # 13.5 is nine tenths of it: with one unit to spare 2.5 have to leak, at a half a second.
    assert limits.reserve({"counter": 1}) == pytest.approx(5)


def test_reading_of_an_unknown_limit_changes_nothing(clock: FakeClock) -> None:
    limits = RateLimits(BYBIT_LIKE, 1, clock=clock)

    limits.observe(LimitReading(name="weight", used=10**9))

    assert limits.reserve({"address": 1, "orders": 1, "history": 1}) == 0


def _blocked_by_others(limits: RateLimits) -> None:
    limits.observe(LimitReading(name="weight", used=199))


@pytest.mark.parametrize(
    "hold_back",
    [
        pytest.param(lambda limits: limits.reserve({"weight": 100}), id="spent"),
        pytest.param(lambda limits: limits.pause(60), id="paused"),
        pytest.param(_blocked_by_others, id="blocked"),
    ],
)
def test_reload_keeps_what_holds_requests_back(
    limits: RateLimits, clock: FakeClock, hold_back: Callable[[RateLimits], object]
) -> None:
    hold_back(limits)
    needed_probe = limits.needs_probe
    clock.now += 20

    limits.resize(weight_limit(200), 0.5)

    assert limits.reserve({"weight": 1}) == 40
    assert limits.needs_probe is needed_probe


def test_reload_with_a_lower_share_waits_for_the_difference(
    limits: RateLimits, clock: FakeClock
) -> None:
    limits.reserve({"weight": 60})
    clock.now += 10
    limits.reserve({"weight": 40})

    limits.resize(weight_limit(200), 0.25)

    assert limits.reserve({"weight": 10}) == 50


def test_reload_that_turns_a_window_into_a_counter_keeps_the_spent_units(clock: FakeClock) -> None:
    limits = RateLimits((a_window("counter", 15, 60),), 1, clock=clock)
    limits.reserve({"counter": 10})

    limits.resize((COUNTER,), 1)

    assert limits.reserve({"counter": 6}) == pytest.approx(2)


def test_worker_with_older_settings_is_still_limited_by_a_limit_that_is_gone(
    limits: RateLimits,
) -> None:
    limits.reserve({"weight": 100})

    limits.resize((COUNTER,), 1)

    assert limits.reserve({"weight": 1}) == 60
    assert used(limits) == {"counter": 0}


@pytest.mark.parametrize(
    ("published", "cost", "expected"),
    [
        pytest.param((), {"weight": 4}, None, id="no limits"),
        pytest.param(weight_limit(6000), {"weight": 20}, 3000, id="weight a minute"),
        pytest.param(BYBIT_LIKE, {"address": 1, "orders": 1}, 1500, id="50 a second"),
        pytest.param(BYBIT_LIKE, {"address": 1}, 3600, id="600 in 5 seconds"),
        pytest.param(BYBIT_LIKE, {"address": 20, "orders": 1}, 3600, id="a dear request"),
        pytest.param(BYBIT_LIKE, {}, 300, id="unknown costs: the smallest limit"),
        pytest.param((COUNTER,), {"counter": 2}, 15, id="a leaking counter"),
    ],
)
def test_weight_a_minute_is_that_of_the_tightest_limit(
    published: tuple[RateLimit, ...], cost: dict[str, int], expected: float | None
) -> None:
    assert per_minute(published, cost, 0.5) == pytest.approx(expected)


_COSTS = st.dictionaries(st.sampled_from(["address", "orders", "history"]), st.integers(0, 12))


@given(asks=st.lists(st.tuples(st.floats(0, 2), _COSTS), max_size=60))
def test_no_limit_of_several_is_ever_exceeded(asks: list[tuple[float, dict[str, int]]]) -> None:
    clock = FakeClock()
    limits = RateLimits(BYBIT_LIKE, 0.5, clock=clock)
    spent: list[tuple[float, dict[str, int]]] = []
    for gap, cost in asks:
        clock.now += gap
        while wait_seconds := limits.reserve(cost):
            clock.now += wait_seconds
        spent.append((clock.now, cost))

    for limit in BYBIT_LIKE:
        assert limit.window is not None
        seconds = limit.window.total_seconds()
        of_it = [(at, units) for at, cost in spent if (units := cost.get(limit.name, 0))]
        for start, _ in of_it:
            units_within = [units for at, units in of_it if start <= at < start + seconds]
            assert sum(units_within) <= limit.amount // 2 or len(units_within) == 1
