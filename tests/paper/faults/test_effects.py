# ruff: noqa: S311  # reproducible on purpose
from collections import Counter
from random import Random

from reconciler.paper.faults.effects import (
    EFFECTS,
    SERVER_ERRORS,
    Delay,
    Disconnect,
    ServerError,
    draw_effects,
)
from reconciler.paper.faults.rules import Faults


def test_no_effect_is_drawn_without_settings() -> None:
    assert list(draw_effects(Faults(), Random(1))) == []


def test_latency_lies_between_its_minimum_and_its_jitter() -> None:
    rng = Random(1)
    faults = Faults(latency_ms=100, latency_jitter_ms=50)

    delays = [draw_effects(faults, rng) for _ in range(100)]

    for effects in delays:
        [delay] = effects
        assert isinstance(delay, Delay)
        assert 0.1 <= delay.seconds <= 0.15
    assert len({delay.seconds for [delay] in delays if isinstance(delay, Delay)}) > 90


def test_effects_keep_their_rates_and_every_server_error_occurs() -> None:
    rng = Random(1)
    faults = Faults(error_rate=0.3, disconnect_rate=0.1)

    drawn = [effect for _ in range(2000) for effect in draw_effects(faults, rng)]

    kinds = Counter(type(effect) for effect in drawn)
    assert 500 < kinds[ServerError] < 700
    assert 140 < kinds[Disconnect] < 260
    assert {effect.http_status for effect in drawn if isinstance(effect, ServerError)} == set(
        SERVER_ERRORS
    )


def test_every_effect_has_a_setting_that_turns_it_on() -> None:
    all_on = Faults(
        outage=True,
        latency_ms=1,
        disconnect_rate=1,
        rate_limit_rate=1,
        ban_rate=1,
        error_rate=1,
        maintenance_rate=1,
        bad_key_rate=1,
        empty_list_rate=1,
        cut_rate=1,
        html_rate=1,
        wrong_type_rate=1,
        firewall_rate=1,
        refusal_rate=1,
        archived_rate=1,
        headers={"Retry-After": ""},
    )

    assert len(draw_effects(all_on, Random(1))) == len(EFFECTS)


def test_fault_with_rate_zero_draws_no_random_number() -> None:
    first, second = Random(1), Random(1)

    draw_effects(Faults(error_rate=0.5), first)
    draw_effects(Faults(error_rate=0.5, cut_rate=0, ban_rate=0), second)

    assert first.getstate() == second.getstate()
