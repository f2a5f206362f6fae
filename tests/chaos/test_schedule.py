from random import Random

import msgspec
import pytest

from reconciler.paper.dialects import NAMES, load_dialect
from reconciler.paper.dialects.binance import DIALECT
from reconciler.paper.faults import FaultRule, TimelineStep
from tests.chaos.schedule import KILLS, Schedule, partial_faults, plan_chaos, total_faults


def a_schedule(seed: int = 1) -> Schedule:
    return plan_chaos(DIALECT, seconds=20, rng=Random(seed))  # noqa: S311 - to be the same each time


def test_the_same_seed_gives_the_same_chaos() -> None:
    first = a_schedule(seed=7)

    assert a_schedule(seed=7) == first
    assert a_schedule(seed=8) != first


def test_every_fault_comes_once_and_those_that_stop_work_last() -> None:
    schedule = a_schedule()

    total = list(total_faults(DIALECT))

    assert sorted(schedule.faults) == sorted([*partial_faults(DIALECT), *total])
    assert schedule.faults[-len(total) :] == total


def test_faults_and_kills_end_within_the_time() -> None:
    schedule = a_schedule()

    ends = [step["at_seconds"] + step["faults"]["for_seconds"] for step in schedule.steps]

    assert max(ends) == pytest.approx(20)
    assert len(schedule.kills_at_seconds) == KILLS
    assert sorted(schedule.kills_at_seconds) == list(schedule.kills_at_seconds)
    assert schedule.kills_at_seconds[-1] < 20


def test_every_setting_of_the_fault_table_is_used() -> None:
    schedule = a_schedule()
    limits = {
        "name",
        "route",
        "only_symbols",
        "only_order_ids",
        "only_queries_with",
        "for_seconds",
        "for_requests",
    }

    steps = msgspec.convert(schedule.steps, list[TimelineStep])
    used = {setting for step in schedule.steps for setting in step["faults"]}

    assert len(steps) == len(schedule.steps)
    assert used - limits == set(FaultRule.__struct_fields__) - limits


@pytest.mark.parametrize("name", NAMES)
def test_a_chaos_has_only_faults_for_which_the_exchange_has_words(name: str) -> None:
    dialect = load_dialect(name)
    schedule = plan_chaos(dialect, seconds=20, rng=Random(1))  # noqa: S311 - as above

    routes = {step["faults"].get("route", "*") for step in schedule.steps}
    settings = {setting for step in schedule.steps for setting in step["faults"]}

    assert routes == {"*", *dialect.lookup_routes}
    assert settings.isdisjoint(dialect.wordless_faults)
    assert settings >= {"error_rate", "disconnect_rate", "rate_limit_rate", "bad_key_rate"}


def test_a_ban_whose_end_nobody_is_told_is_left_out() -> None:
    kraken = plan_chaos(load_dialect("kraken"), seconds=20, rng=Random(1))  # noqa: S311 - as above

    assert "bans" not in kraken.faults
    assert "bans" in a_schedule().faults
