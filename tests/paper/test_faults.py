# ruff: noqa: S311  # reproducible on purpose
from collections import Counter
from random import Random

import msgspec
import pytest

from reconciler.paper.faults import (
    KINDS,
    SERVER_ERRORS,
    Delay,
    Fail,
    FaultRule,
    Faults,
    FaultTable,
    HangUp,
    draw_effects,
)


def test_without_settings_nothing_goes_wrong() -> None:
    assert list(draw_effects(Faults(), Random(1))) == []


def test_latency_lies_between_its_least_and_its_jitter() -> None:
    rng = Random(1)
    faults = Faults(latency_ms=100, latency_jitter_ms=50)

    delays = [draw_effects(faults, rng) for _ in range(100)]

    for effects in delays:
        [delay] = effects
        assert isinstance(delay, Delay)
        assert 0.1 <= delay.seconds <= 0.15
    assert len({delay.seconds for [delay] in delays if isinstance(delay, Delay)}) > 90


def test_rates_are_kept_and_every_server_error_happens() -> None:
    rng = Random(1)
    faults = Faults(error_rate=0.3, disconnect_rate=0.1)

    drawn = [effect for _ in range(2000) for effect in draw_effects(faults, rng)]

    kinds = Counter(type(effect) for effect in drawn)
    assert 500 < kinds[Fail] < 700
    assert 140 < kinds[HangUp] < 260
    assert {effect.http_status for effect in drawn if isinstance(effect, Fail)} == set(
        SERVER_ERRORS
    )


def test_the_same_seed_draws_the_same_faults() -> None:
    def draw(seed: int) -> list[object]:
        table = FaultTable(seed)
        table.set(FaultRule(error_rate=0.5, latency_jitter_ms=10))
        return [table.draw("order") for _ in range(20)]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_a_rule_of_its_own_beats_the_rule_for_every_route() -> None:
    table = FaultTable()
    table.set(FaultRule(disconnect_rate=1))
    table.set(FaultRule(route="order", error_rate=0))

    assert list(table.draw("order")) == []
    assert list(table.draw("allOrders")) == [HangUp()]
    table.clear()
    assert list(table.draw("allOrders")) == []


def test_every_kind_of_fault_has_a_setting_that_turns_it_on() -> None:
    all_on = Faults(latency_ms=1, latency_jitter_ms=1, error_rate=1, disconnect_rate=1)

    assert len(draw_effects(all_on, Random(1))) == len(KINDS)


@pytest.mark.parametrize("body", ['{"error_rate": 1.1}', '{"latency_ms": -1}', '{"lag": 1}'])
def test_settings_out_of_bounds_or_unknown_are_refused(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=FaultRule)
