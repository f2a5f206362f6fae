import msgspec
import pytest

from reconciler.paper.faults import FaultRule, FaultTable, RequestTarget, TimelineStep
from reconciler.paper.faults.effects import Delay, Disconnect, Maintenance

NOW_MS = 1_795_478_400_000
ORDER = RequestTarget(route="order", symbol="BTCUSDT", order_id="7")
HISTORY = RequestTarget(route="allOrders", symbol="BTCUSDT")

OUT = FaultRule(outage=True)


def test_the_same_seed_draws_the_same_faults() -> None:
    def draw(seed: int) -> list[object]:
        table = FaultTable(seed)
        table.set(FaultRule(error_rate=0.5, latency_jitter_ms=10), NOW_MS)
        return [table.draw(ORDER, NOW_MS) for _ in range(20)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_rule_of_its_own_beats_the_rule_for_every_route() -> None:
    table = FaultTable()
    table.set(FaultRule(disconnect_rate=1), NOW_MS)
    table.set(FaultRule(route="order", error_rate=0), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS)) == []
    assert list(table.draw(HISTORY, NOW_MS)) == [Disconnect()]
    table.clear()
    assert list(table.draw(HISTORY, NOW_MS)) == []


def test_rules_of_two_names_hold_side_by_side() -> None:
    table = FaultTable()
    table.set(FaultRule(name="slow", latency_ms=1000), NOW_MS)
    table.set(FaultRule(name="out", outage=True), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS)) == [Delay(seconds=1), Disconnect()]


def test_a_rule_replaces_the_one_of_its_name_and_route() -> None:
    table = FaultTable()
    table.set(OUT, NOW_MS)
    table.set(FaultRule(maintenance_rate=1), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS)) == [Maintenance()]
    assert table.rules(NOW_MS) == [FaultRule(maintenance_rate=1)]


@pytest.mark.parametrize(
    ("rule", "is_hit"),
    [
        (FaultRule(outage=True, only_symbols=("BTCUSDT", "ETHUSDT")), True),
        (FaultRule(outage=True, only_symbols=("ETHUSDT",)), False),
        (FaultRule(outage=True, only_order_ids=(6, 7)), True),
        (FaultRule(outage=True, only_order_ids=(6,)), False),
        (FaultRule(outage=True, only_symbols=("BTCUSDT",), only_order_ids=(6,)), False),
        (FaultRule(outage=True, route="order"), True),
        (FaultRule(outage=True, route="allOrders"), False),
    ],
)
def test_a_rule_strikes_only_what_it_is_limited_to(rule: FaultRule, is_hit: bool) -> None:  # noqa: FBT001  # a case of the table
    table = FaultTable()
    table.set(rule, NOW_MS)

    assert bool(table.draw(ORDER, NOW_MS)) == is_hit


def test_a_rule_for_some_seconds_ends_by_itself() -> None:
    table = FaultTable()
    table.set(FaultRule(outage=True, for_seconds=60), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS + 59_999)) == [Disconnect()]
    assert list(table.draw(ORDER, NOW_MS + 60_000)) == []
    assert table.rules(NOW_MS + 60_000) == []


def test_a_rule_for_some_requests_counts_those_that_it_struck() -> None:
    table = FaultTable()
    table.set(FaultRule(outage=True, only_symbols=("BTCUSDT",), for_requests=2), NOW_MS)
    spared = RequestTarget(route="order", symbol="ETHUSDT", order_id="7")

    drawn = [list(table.draw(asked, NOW_MS)) for asked in (ORDER, spared, ORDER, ORDER)]

    assert drawn == [[Disconnect()], [], [Disconnect()], []]


def test_the_general_rule_holds_again_once_a_routes_own_has_ended() -> None:
    table = FaultTable()
    table.set(OUT, NOW_MS)
    table.set(FaultRule(route="order", for_seconds=1), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS)) == []
    assert list(table.draw(ORDER, NOW_MS + 1000)) == [Disconnect()]


def test_a_timeline_lets_one_fault_follow_another() -> None:
    table = FaultTable()
    table.set(FaultRule(name="before", outage=True), NOW_MS)

    table.schedule(
        [
            TimelineStep(at_seconds=20),
            TimelineStep(at_seconds=10, faults=FaultRule(maintenance_rate=1)),
            TimelineStep(at_seconds=0, faults=FaultRule(latency_ms=500, for_seconds=5)),
        ],
        NOW_MS,
    )

    drawn = [list(table.draw(ORDER, NOW_MS + at_ms)) for at_ms in (0, 5000, 10_000, 20_000)]
    assert drawn == [[Delay(seconds=0.5)], [], [Maintenance()], []]


def test_what_is_set_meanwhile_holds_until_the_next_step() -> None:
    table = FaultTable()
    table.schedule([TimelineStep(at_seconds=10, faults=FaultRule(maintenance_rate=1))], NOW_MS)

    table.set(OUT, NOW_MS)

    assert list(table.draw(ORDER, NOW_MS + 9_999)) == [Disconnect()]
    assert list(table.draw(ORDER, NOW_MS + 10_000)) == [Maintenance()]


def test_clearing_ends_what_is_still_to_come() -> None:
    table = FaultTable()
    table.schedule([TimelineStep(at_seconds=10, faults=OUT)], NOW_MS)

    table.clear()

    assert list(table.draw(ORDER, NOW_MS + 10_000)) == []


@pytest.mark.parametrize("body", ['{"error_rate": 1.1}', '{"latency_ms": -1}', '{"lag": 1}'])
def test_settings_out_of_bounds_or_unknown_are_refused(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=FaultRule)
