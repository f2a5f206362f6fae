"""How each situation comes about. Each function returns at once; the verdict follows."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.commands import DEADLINE_SECONDS
from tests.polling import until_deadline
from tests.situations.stage import Stage

BAN_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A situation.

    Attributes:
        name: What somebody on call would call it.
        causes: The health rows that may name it; empty if all is well.
        produce: Brings it about.
    """

    name: str
    causes: frozenset[str]
    produce: Callable[[Stage], None]

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


def _all_well(stage: Stage) -> None:
    stage.make_stale()


def _exchange_down(stage: Stage) -> None:
    os.kill(stage.demo.exchange.pid, signal.SIGKILL)
    stage.make_stale()


def _key_refused(stage: Stage) -> None:
    stage.demo.exchange.set_faults(
        refusal_rate=1,
        refusal_status=401,
        refusal_code=-2015,
        refusal_message="Invalid API-key, IP, or permissions for action.",
    )
    stage.make_stale()


def _banned(stage: Stage) -> None:
    stage.demo.exchange.set_faults(ban_rate=1, ban_seconds=BAN_SECONDS)
    stage.make_stale()


def _halted(stage: Stage) -> None:
    stage.demo.exchange.set_faults(vanished_rate=0.7)
    stage.make_stale()


def _holds_pile_up(stage: Stage) -> None:
    stage.demo.exchange.set_faults(unknown_status_rate=0.3)
    stage.make_stale()


def _shard_parked(stage: Stage) -> None:
    """Kill the worker of shard 0 whenever it starts, until the shard is parked."""
    killed: set[int] = set()
    for _ in until_deadline(DEADLINE_SECONDS):
        if stage.run.logged("shard.parked"):
            return
        assert stage.run.is_running
        for line in stage.run.logged("worker.started"):
            if line["shard"] == 0 and line["worker_pid"] not in killed:
                killed.add(line["worker_pid"])
                os.kill(line["worker_pid"], signal.SIGKILL)
    raise AssertionError("the shard was never parked")


def _budget_too_small(stage: Stage) -> None:
    """Restart with a thousandth of the exchange's limit: 6 a minute."""
    stage.run.send(signal.SIGTERM)
    stage.run.end()
    stage.make_stale()
    stage.run = stage.start("run", RECONCILIATION_RATE_SHARE=0.001)


def _database_gone(stage: Stage) -> None:
    stage.demo.database.close()
    stage.postmaster.kill()


def _supervisor_dead(stage: Stage) -> None:
    stage.run.send(signal.SIGKILL)
    stage.run.end()


SITUATIONS = (
    Situation(name="all well", causes=frozenset(), produce=_all_well),
    Situation(name="exchange down", causes=frozenset({"exchange"}), produce=_exchange_down),
    Situation(name="refused key", causes=frozenset({"accounts"}), produce=_key_refused),
    Situation(name="banned", causes=frozenset({"pause"}), produce=_banned),
    Situation(name="halt", causes=frozenset({"halt"}), produce=_halted),
    Situation(name="holds pile up", causes=frozenset({"holds"}), produce=_holds_pile_up),
    Situation(name="shard parked", causes=frozenset({"shards"}), produce=_shard_parked),
    Situation(name="budget too small", causes=frozenset({"backlog"}), produce=_budget_too_small),
    Situation(name="database gone", causes=frozenset({"database"}), produce=_database_gone),
    Situation(name="supervisor dead", causes=frozenset({"supervisor"}), produce=_supervisor_dead),
)
