from reconciler.paper.limits import Charge, WeightMeter

MINUTE_START_MS = 60_000 * 1000


def test_weight_adds_up_within_a_minute_of_the_clock() -> None:
    meter = WeightMeter(limit=10)

    first = meter.charge("a", 4, MINUTE_START_MS)
    second = meter.charge("a", 6, MINUTE_START_MS + 59_999)

    assert first == Charge(used=4, retry_after_seconds=None)
    assert second == Charge(used=10, retry_after_seconds=None)


def test_beyond_the_limit_the_rest_of_the_minute_must_be_waited_out() -> None:
    meter = WeightMeter(limit=10)

    charge = meter.charge("a", 11, MINUTE_START_MS + 17_500)

    assert charge == Charge(used=11, retry_after_seconds=43)


def test_the_next_minute_begins_at_zero() -> None:
    meter = WeightMeter(limit=10)

    meter.charge("a", 11, MINUTE_START_MS + 59_999)
    charge = meter.charge("a", 4, MINUTE_START_MS + 60_000)

    assert charge == Charge(used=4, retry_after_seconds=None)
    assert meter.total == 15


def test_each_address_has_its_own_weight() -> None:
    meter = WeightMeter(limit=10)

    meter.charge("a", 10, MINUTE_START_MS)

    assert meter.charge("b", 4, MINUTE_START_MS).used == 4
