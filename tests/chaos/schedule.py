"""The schedule of a chaos: its faults and kills. The same seed gives the same schedule.

The faults are those for which the exchange's dialect has words, aimed at its own routes and fields.
First come the faults under which some work goes on, in a random order, each for two slots, so that
neighbours overlap. At the end come those that stop all work: an exchange that refuses the key,
reports another account, or has lost nearly all orders.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from reconciler.paper.dialects.dialect import Dialect

Fault = Mapping[str, Any]
"""The fields of `reconciler.paper.faults.FaultRule`."""

PARTIAL_FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "slow answers": {"latency_ms": 100, "latency_jitter_ms": 200},
        "server errors": {"error_rate": 0.3},
        "disconnects": {"disconnect_rate": 0.3},
        "outage": {"outage": True},
        "maintenance": {"maintenance_rate": 0.5},
        "rate limits": {"rate_limit_rate": 0.1, "retry_after_seconds": 1, "ban_seconds": 1},
        "bans": {"ban_rate": 0.1, "ban_seconds": 1},
        "cut bodies": {"cut_rate": 0.3},
        "pages of HTML": {"html_rate": 0.3},
        "wrong types": {"wrong_type_rate": 0.3},
        "empty lists": {"empty_list_rate": 0.5},
        "unknown words": {"unknown_status_rate": 0.1},
        "vanished orders": {"vanished_rate": 0.05},
        "shrunk quantities": {"shrunk_rate": 0.3},
        "contradictions": {"contradiction_rate": 0.1},
        "stale answers": {"stale_seconds": 7200},
        "a delisted symbol": {"delisted_symbols": ["ETHUSDT"]},
        "fast clock": {"clock_offset_ms": 5000},
        "slow clock": {"clock_offset_ms": -5000},
    }
)
LOOKUP_FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "an archive": {"archived_rate": 0.5},
        "a firewall": {"firewall_rate": 0.5},
        "turned down": {
            "refusal_rate": 0.5,
            "refusal_status": 409,
            "refusal_code": -4711,
            "refusal_message": "No such rule is documented.",
        },
    }
)
"""Faults of the routes that answer about single orders only: lists go on being answered."""

TOTAL_FAULTS: Mapping[str, Fault] = MappingProxyType(
    {
        "refused keys": {"bad_key_rate": 0.5},
        "another account": {"account_uid": 4711},
        "a wiped exchange": {"vanished_rate": 0.9},
    }
)

KILLS = 8
SLOTS_A_FAULT = 2


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The schedule of a chaos of `seconds`.

    Attributes:
        steps: The paper exchange's timeline: `reconciler.paper.faults.TimelineStep`s. A fault of
            several routes has a step for each.
        kills_at_seconds: The times at which a worker is killed, ascending.
    """

    seconds: float
    steps: Sequence[Mapping[str, Any]]
    kills_at_seconds: Sequence[float]

    @property
    def faults(self) -> Sequence[str]:
        """The names of the faults, in the order in which they begin."""
        return list(dict.fromkeys(step["faults"]["name"] for step in self.steps))


def partial_faults(dialect: Dialect) -> Mapping[str, Sequence[Fault]]:
    """Return the faults under which some work goes on, and what each sets at this exchange."""
    lookups = {
        **LOOKUP_FAULTS,
        "unreadable rows": {"fields": dict(dialect.unreadable_fields)},
        "lost fields": {"without_fields": list(dialect.lost_fields)},
    }
    wild = dict.fromkeys(dialect.limit_header_names, "9" * 500)
    return {
        **_worded(PARTIAL_FAULTS, dialect),
        **{
            name: [{"route": route, **fault} for route in dialect.lookup_routes]
            for name, (fault,) in _worded(lookups, dialect).items()
        },
        **({"wild headers": [{"headers": wild}]} if wild else {}),
    }


def total_faults(dialect: Dialect) -> Mapping[str, Sequence[Fault]]:
    """Return the faults that stop all work, and what each sets at this exchange."""
    return _worded(TOTAL_FAULTS, dialect)


def plan_chaos(dialect: Dialect, *, seconds: float, rng: Random) -> Schedule:
    """Spread every fault that `dialect` can word, and the kills, over `seconds`."""
    passing = list(partial_faults(dialect).items())
    rng.shuffle(passing)
    faults = [*passing, *total_faults(dialect).items()]
    slot = seconds / (len(faults) + SLOTS_A_FAULT - 1)
    steps = plan_steps(faults, slot_seconds=slot, for_seconds=slot * SLOTS_A_FAULT)
    kills = sorted(rng.uniform(0.05, 0.95) * seconds for _ in range(KILLS))
    return Schedule(seconds=seconds, steps=steps, kills_at_seconds=kills)


def plan_steps(
    faults: Iterable[tuple[str, Sequence[Fault]]], *, slot_seconds: float, for_seconds: float
) -> list[Mapping[str, Any]]:
    """Return a timeline in which a fault begins every `slot_seconds` and lasts `for_seconds`."""
    return [
        {
            "at_seconds": slot_seconds * place,
            "faults": {**fault, "name": name, "for_seconds": for_seconds},
        }
        for place, (name, settings) in enumerate(faults)
        for fault in settings
    ]


def _worded(faults: Mapping[str, Fault], dialect: Dialect) -> Mapping[str, Sequence[Fault]]:
    """Return the faults for which a dialect has words, each as a sequence of one.

    A ban whose end it does not tell is left out: it outlasts the chaos.
    """
    left_out = dialect.wordless_faults | ({"ban_rate"} if dialect.untold_ban_seconds else set())
    return {name: [fault] for name, fault in faults.items() if left_out.isdisjoint(fault)}
