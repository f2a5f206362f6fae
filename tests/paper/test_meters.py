import pytest

from reconciler.paper.meters import Caller, Limit, LimitMeter, Scope

WINDOW = Limit(name="requests", amount=3, window_ms=1000)
COUNTER = Limit(name="counter", amount=2, leak_per_second=0.5)
A, B = Caller(address="a", api_key="k"), Caller(address="b", api_key="k")


def waits(meter: LimitMeter, name: str, *times_ms: int, caller: Caller = A) -> list[float | None]:
    return [meter.charge(caller, {name: 1}, at_ms).retry_seconds for at_ms in times_ms]


def test_a_window_refuses_what_is_too_much_until_the_oldest_leaves_it() -> None:
    meter = LimitMeter([WINDOW])

    assert waits(meter, "requests", 0, 400, 800, 900, 999, 1000) == [
        None,
        None,
        None,
        0.1,
        0.001,
        None,
    ]


def test_a_counter_refuses_what_is_too_much_until_enough_has_leaked() -> None:
    meter = LimitMeter([COUNTER])

    assert waits(meter, "counter", 0, 0, 0, 1000, 2000) == [None, None, 2, 1, None]


def test_a_request_beyond_one_of_two_limits_takes_from_neither() -> None:
    meter = LimitMeter([WINDOW, COUNTER])

    both = {"requests": 1, "counter": 1}
    charges = [meter.charge(A, both, 0) for _ in range(3)]
    refused = charges[-1]

    assert [charge.limit for charge in charges] == [None, None, COUNTER]
    assert {reading.limit.name: reading.used for reading in refused.readings} == {
        "requests": 2,
        "counter": 2,
    }
    assert meter.charge(A, {"requests": 1}, 0).retry_seconds is None


def test_limits_count_the_callers_of_their_scope_together() -> None:
    of_key = LimitMeter([WINDOW])
    of_address = LimitMeter([Limit(name="requests", amount=1, window_ms=1000, scope=Scope.ADDRESS)])

    assert waits(of_key, "requests", 0, 0) == [None, None]
    assert waits(of_key, "requests", 0, 0, caller=B) == [None, 1]
    assert waits(of_address, "requests", 0, 0) == [None, 1]
    assert waits(of_address, "requests", 0, caller=B) == [None]


def test_readings_tell_what_is_left_and_when_the_request_fits_again() -> None:
    meter = LimitMeter([WINDOW])
    for at_ms in (0, 100):
        meter.charge(A, {"requests": 1}, at_ms)

    (reading,) = meter.charge(A, {"requests": 1}, 200).readings

    assert (reading.used, reading.remaining, reading.reset_ms) == (3, 0, 1000)


def test_going_on_beyond_a_limit_locks_the_caller_out() -> None:
    limit = Limit(name="counter", amount=1, leak_per_second=1, tolerated=2, lockout_seconds=900)
    meter = LimitMeter([limit])

    charges = [meter.charge(A, {"counter": 1}, 0) for _ in range(4)]

    assert [charge.is_ban for charge in charges] == [False, False, False, True]
    assert meter.charge(A, {"counter": 1}, 899_999).is_ban
    assert meter.charge(A, {"counter": 1}, 900_000).retry_seconds is None


def test_refused_requests_with_a_good_one_between_them_lock_nobody_out() -> None:
    limit = Limit(name="counter", amount=1, leak_per_second=1, tolerated=1, lockout_seconds=900)
    meter = LimitMeter([limit])

    assert waits(meter, "counter", 0, 0, 1000, 1000, 2000) == [None, 1, None, 1, None]


@pytest.mark.parametrize("is_ban", [False, True], ids=["pause", "ban"])
def test_a_pause_and_a_ban_last_as_long_as_they_say(*, is_ban: bool) -> None:
    meter = LimitMeter([WINDOW])
    (meter.ban if is_ban else meter.pause)(A, 30, 0)

    during, after = meter.charge(A, {"requests": 1}, 29_500), meter.charge(A, {}, 30_000)

    assert (during.retry_seconds, during.is_ban) == (0.5, is_ban)
    assert after.retry_seconds is None
    assert meter.charge(B, {"requests": 1}, 1).retry_seconds is None


def test_a_meter_without_limits_counts_and_refuses_nothing_but_in_a_pause() -> None:
    meter = LimitMeter([WINDOW], is_enforced=False)

    assert waits(meter, "requests", *[0] * 50) == [None] * 50
    assert meter.total == 50

    meter.pause(A, 1, 0)

    assert waits(meter, "requests", 0) == [1]
