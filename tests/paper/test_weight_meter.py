from http import HTTPStatus

import pytest

from reconciler.paper.dialects.binance.weight_meter import (
    IN_FLIGHT_MS,
    LONGEST_BAN_SECONDS,
    Charge,
    WeightMeter,
)

MINUTE_START_MS = 60_000 * 1000


def test_weight_adds_up_within_a_minute_of_the_clock() -> None:
    meter = WeightMeter(limit=10)

    first = meter.charge("a", 4, MINUTE_START_MS)
    second = meter.charge("a", 6, MINUTE_START_MS + 59_999)

    assert first == Charge(used=4)
    assert second == Charge(used=10)


def test_above_the_limit_requests_wait_for_the_next_minute() -> None:
    meter = WeightMeter(limit=10)

    charge = meter.charge("a", 11, MINUTE_START_MS + 17_500)

    assert charge == Charge(
        used=11, refused_with=HTTPStatus.TOO_MANY_REQUESTS, retry_after_seconds=43
    )


def test_weight_is_zero_at_the_start_of_the_next_minute() -> None:
    meter = WeightMeter(limit=10)

    meter.charge("a", 11, MINUTE_START_MS + 59_999)
    charge = meter.charge("a", 4, MINUTE_START_MS + 60_000)

    assert charge == Charge(used=4)
    assert meter.total == 15


def test_weight_is_counted_separately_for_each_address() -> None:
    meter = WeightMeter(limit=10)

    meter.charge("a", 10, MINUTE_START_MS)

    assert meter.charge("b", 4, MINUTE_START_MS).used == 4


def statuses(meter: WeightMeter, *times_ms: int) -> list[HTTPStatus | None]:
    return [meter.charge("a", 1, at_ms).refused_with for at_ms in times_ms]


def test_requests_during_a_pause_earn_a_ban_and_waiting_does_not() -> None:
    meter = WeightMeter(limit=10, tolerated_requests=2)
    meter.pause("a", 30, MINUTE_START_MS)
    later_ms = MINUTE_START_MS + IN_FLIGHT_MS

    ignoring = statuses(meter, later_ms, later_ms, later_ms)
    waiting = WeightMeter(limit=10, tolerated_requests=2)
    waiting.pause("a", 30, MINUTE_START_MS)

    assert ignoring == [429, 429, 418]
    assert statuses(waiting, MINUTE_START_MS + 30_000) == [None]


def test_requests_in_flight_when_a_pause_begins_are_allowed() -> None:
    meter = WeightMeter(limit=10, tolerated_requests=2)
    meter.pause("a", 30, MINUTE_START_MS)

    assert set(statuses(meter, *[MINUTE_START_MS + IN_FLIGHT_MS - 1] * 50)) == {429}


def test_ban_ends_after_the_time_in_its_refusals() -> None:
    meter = WeightMeter()
    meter.ban("a", 120, MINUTE_START_MS)

    during = meter.charge("a", 4, MINUTE_START_MS + 119_500)
    after = meter.charge("a", 4, MINUTE_START_MS + 120_000)

    assert (during.refused_with, during.retry_after_seconds) == (HTTPStatus.IM_A_TEAPOT, 1)
    assert after.refused_with is None


@pytest.mark.parametrize(("bans", "seconds"), [(1, 120), (2, 240), (40, LONGEST_BAN_SECONDS)])
def test_each_ban_is_twice_as_long_up_to_three_days(bans: int, seconds: int) -> None:
    meter = WeightMeter(tolerated_requests=0)
    now_ms = MINUTE_START_MS

    for _ in range(bans):
        now_ms += LONGEST_BAN_SECONDS * 1000
        meter.pause("a", 10, now_ms)
        charge = meter.charge("a", 1, now_ms + IN_FLIGHT_MS)

    assert charge.refused_with is HTTPStatus.IM_A_TEAPOT
    assert charge.retry_after_seconds == seconds


def test_pause_and_ban_affect_only_their_address() -> None:
    meter = WeightMeter()
    meter.pause("b", 60, MINUTE_START_MS)
    meter.ban("c", 60, MINUTE_START_MS)

    assert statuses(meter, MINUTE_START_MS) == [None]
