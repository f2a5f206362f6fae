import msgspec
import pytest

from reconciler.paper.faults import FaultRule, FaultTable, RequestTarget, TimelineStep
from reconciler.paper.faults.effects import Delay, Disconnect, Maintenance

NOW_MS = 1_795_478_400_000
ORDER = RequestTarget(route="order", symbol="BTCUSDT", order_ids=(7,))
HISTORY = RequestTarget(route="allOrders", symbol="BTCUSDT")

OUT = FaultRule(outage=True)


def test_the_same_seed_draws_the_same_faults() -> None:
    def draw(seed: int) -> list[object]:
        table = FaultTable(seed)
        table.set(FaultRule(error_rate=0.5, latency_jitter_ms=10), NOW_MS)
        return [table.draw(ORDER, NOW_MS) for _ in range(20)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_rule_of_a_route_takes_precedence_over_the_general_one() -> None:
    table = FaultTable()
    table.set(FaultRule(disconnect_rate=1), NOW_MS)
    table.set(FaultRule(route="order", error_rate=0), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS)) == []
    assert list(table.draw(HISTORY, NOW_MS)) == [Disconnect()]
    table.clear()
    assert list(table.draw(HISTORY, NOW_MS)) == []


def test_rules_of_two_names_are_in_force_together() -> None:
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
def test_rule_affects_only_the_requests_it_is_limited_to(rule: FaultRule, is_hit: bool) -> None:  # noqa: FBT001  # a case of the table
    table = FaultTable()
    table.set(rule, NOW_MS)

    assert bool(table.draw(ORDER, NOW_MS)) == is_hit


def test_rule_with_for_seconds_ends_by_itself() -> None:
    table = FaultTable()
    table.set(FaultRule(outage=True, for_seconds=60), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS + 59_999)) == [Disconnect()]
    assert list(table.draw(ORDER, NOW_MS + 60_000)) == []
    assert table.rules(NOW_MS + 60_000) == []


def test_rule_with_for_requests_counts_only_affected_requests() -> None:
    table = FaultTable()
    table.set(FaultRule(outage=True, only_symbols=("BTCUSDT",), for_requests=2), NOW_MS)
    unaffected = RequestTarget(route="order", symbol="ETHUSDT", order_ids=(7,))

    drawn = [list(table.draw(target, NOW_MS)) for target in (ORDER, unaffected, ORDER, ORDER)]

    assert drawn == [[Disconnect()], [], [Disconnect()], []]


def test_general_rule_applies_again_after_a_routes_own_rule() -> None:
    table = FaultTable()
    table.set(OUT, NOW_MS)
    table.set(FaultRule(route="order", for_seconds=1), NOW_MS)

    assert list(table.draw(ORDER, NOW_MS)) == []
    assert list(table.draw(ORDER, NOW_MS + 1000)) == [Disconnect()]


def test_timeline_replaces_one_fault_by_the_next() -> None:
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


def test_rule_set_during_a_timeline_is_in_force_until_its_next_step() -> None:
    table = FaultTable()
    table.schedule([TimelineStep(at_seconds=10, faults=FaultRule(maintenance_rate=1))], NOW_MS)

    table.set(OUT, NOW_MS)

    assert list(table.draw(ORDER, NOW_MS + 9_999)) == [Disconnect()]
    assert list(table.draw(ORDER, NOW_MS + 10_000)) == [Maintenance()]


def test_clearing_the_faults_removes_future_steps() -> None:
    table = FaultTable()
    table.schedule([TimelineStep(at_seconds=10, faults=OUT)], NOW_MS)

    table.clear()

    assert list(table.draw(ORDER, NOW_MS + 10_000)) == []


@pytest.mark.parametrize("body", ['{"error_rate": 1.1}', '{"latency_ms": -1}', '{"lag": 1}'])
def test_settings_out_of_bounds_or_unknown_are_refused(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=FaultRule)
