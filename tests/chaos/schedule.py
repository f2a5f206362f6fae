"""The schedule of a chaos: its faults and kills. The same seed gives the same schedule.

First come the faults under which some work goes on, in a random order, each for two slots, so that
neighbours overlap. At the end come those that stop all work: an exchange that refuses the key,
reports another account, or has lost nearly all orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

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
        "an archive": {"route": "order", "archived_rate": 0.5},
        "a firewall": {"route": "order", "firewall_rate": 0.5},
        "turned down": {
            "route": "order",
            "refusal_rate": 0.5,
            "refusal_status": 409,
            "refusal_code": -4711,
            "refusal_message": "No such rule is documented.",
        },
        "unreadable rows": {"route": "order", "fields": {"executedQty": None}},
        "lost fields": {"route": "order", "without_fields": ["status"]},
        "wild headers": {"headers": {"X-MBX-USED-WEIGHT-1M": "9" * 500}},
        "a delisted symbol": {"delisted_symbols": ["ETHUSDT"]},
        "fast clock": {"clock_offset_ms": 5000},
        "slow clock": {"clock_offset_ms": -5000},
    }
)
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
        steps: The paper exchange's timeline: `reconciler.paper.faults.TimelineStep`s.
        kills_at_seconds: The times at which a worker is killed, ascending.
    """

    seconds: float
    steps: Sequence[Mapping[str, Any]]
    kills_at_seconds: Sequence[float]


def plan_chaos(*, seconds: float, rng: Random) -> Schedule:
    """Spread every fault, and the kills, over `seconds`."""
    passing = list(PARTIAL_FAULTS.items())
    rng.shuffle(passing)
    faults = [*passing, *TOTAL_FAULTS.items()]
    slot = seconds / (len(faults) + SLOTS_A_FAULT - 1)
    steps = [
        {
            "at_seconds": slot * place,
            "faults": {**fault, "name": name, "for_seconds": slot * SLOTS_A_FAULT},
        }
        for place, (name, fault) in enumerate(faults)
    ]
    kills = sorted(rng.uniform(0.05, 0.95) * seconds for _ in range(KILLS))
    return Schedule(seconds=seconds, steps=steps, kills_at_seconds=kills)
