"""The soak test with chaos: kill and break everything for a time, then judge every row and change.

Workers, the supervisor and the postmaster are killed while the exchange misbehaves and an
application writes to the same rows.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Any

from reconciler.cli.exit_codes import Exit
from reconciler.cli.interrupts import interrupt_on_signals
from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo, open_demo
from reconciler.errors import NoSupervisor
from reconciler.paper.dialects.binance import DIALECT
from reconciler.supervisor.status import SupervisorStatus
from tests.chaos import audit_trail, change_recorder
from tests.chaos.application import CONNECTION_ERRORS, Application
from tests.chaos.postmaster import Postmaster
from tests.chaos.recovery import clear_holds_and_halt
from tests.chaos.restarted_supervisor import RestartedSupervisor
from tests.chaos.schedule import Fault, partial_faults, plan_steps
from tests.chaos.supervisor_process import HANG_SECONDS

SLOT_SECONDS = 3.0
"""A fault of the exchange lasts for two slots; the next begins after one."""

KILLED_EVERY_SECONDS = {"worker": 3.0, "supervisor": 15.0, "postmaster": 40.0}
LEAST_KILLS = {"worker": 4, "supervisor": 2, "postmaster": 1}
DRAIN_SHARE = 0.2
"""The share of the supervisor's ends that are a TERM, as an operator sends it."""

AWAY_SECONDS = 1.0
"""PostgreSQL stays away for up to twice this."""

WORKER_SECONDS = 15.0
"""The time in which a killed supervisor must have workers again."""

LOOK_SECONDS = 0.05
OPERATOR = "soak"


@dataclass(frozen=True, kw_only=True)
class SoakResult:
    """The result of a soak test with chaos; `complaints` says what is wrong."""

    seconds: float
    seed: int
    kills: Counter[str]
    supervisor_exits: Counter[int]
    application: Counter[str]
    orders: int
    moves: int
    complaints: Sequence[str]


def soak_in_chaos(seconds: float, seed: int) -> SoakResult:
    """Break everything for `seconds`, wait until it has recovered, and judge."""
    rng = Random(seed)  # noqa: S311 - chaos is to be reproducible, not secret
    with (
        interrupt_on_signals(),
        open_demo(options=("--weight-limit", "100000000")) as demo,
        Postmaster(demo.database_url) as postmaster,
        RestartedSupervisor(demo) as supervisor,
    ):
        demo.fill(orders=600, symbols=8, seed=seed)
        with demo.database.transaction() as connection:
            change_recorder.start(connection)
        with Application(demo, rng) as application:
            demo.exchange.set_timeline(plan_faults(seconds, rng))
            kills = _kill_for(seconds, demo, postmaster, supervisor, rng)
        demo.exchange.clear_faults()
        _recover(demo)
        complaints = [
            *_wrong_rows(demo),
            *_wrong_stop(supervisor.stop()),
            *supervisor.unexpected_lines(),
        ]
        return SoakResult(
            seconds=seconds,
            seed=seed,
            kills=kills,
            supervisor_exits=supervisor.exits,
            application=application.writes,
            orders=sum(1 for _ in demo.exchange.orders()),
            moves=len(_read_changes(demo)),
            complaints=complaints,
        )


def plan_faults(seconds: float, rng: Random) -> list[Mapping[str, Any]]:
    """Draw the exchange's faults, for its timeline."""
    faults = sorted(partial_faults(DIALECT).items())
    count = ceil(seconds / SLOT_SECONDS)
    drawn: list[tuple[str, Sequence[Fault]]] = []
    while len(drawn) < count:
        drawn += rng.sample(faults, len(faults))
    return plan_steps(drawn[:count], slot_seconds=SLOT_SECONDS, for_seconds=2 * SLOT_SECONDS)


def plan_kills(seconds: float, rng: Random) -> list[tuple[float, str]]:
    """Draw the moments of the kills, ascending, and the victim of each."""
    return sorted(
        (rng.uniform(0.05, 0.95) * seconds, victim)
        for victim, every in KILLED_EVERY_SECONDS.items()
        for _ in range(max(LEAST_KILLS[victim], int(seconds / every)))
    )


def _kill_for(
    seconds: float,
    demo: Demo,
    postmaster: Postmaster,
    supervisor: RestartedSupervisor,
    rng: Random,
) -> Counter[str]:
    kills = Counter[str]()
    started = time.monotonic()
    for at_seconds, victim in plan_kills(seconds, rng):
        time.sleep(max(0.0, started + at_seconds - time.monotonic()))
        match victim:
            case "postmaster":
                postmaster.kill()
                time.sleep(rng.uniform(0, 2 * AWAY_SECONDS))
                postmaster.start()
                kills[victim] += 1
            case "supervisor":
                is_drain = rng.random() < DRAIN_SHARE
                supervisor.send(signal.SIGTERM if is_drain else signal.SIGKILL)
                kills[victim] += 1
            case _:
                kills[victim] += _kill_worker(demo, rng)
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    return kills


def _kill_worker(demo: Demo, rng: Random) -> int:
    """Kill one worker as soon as a supervisor names its workers; return the number of kills."""
    deadline = time.monotonic() + WORKER_SECONDS
    while time.monotonic() < deadline:
        with suppress(NoSupervisor, ProcessLookupError):
            status = ask(ControlAddress.of_database(demo.database_url), "status", SupervisorStatus)
            pids = [worker.pid for worker in status.workers if worker.pid is not None]
            if pids:
                os.kill(rng.choice(pids), signal.SIGKILL)
                return 1
        time.sleep(LOOK_SECONDS)
    return 0


def _recover(demo: Demo) -> None:
    """Do what an operator does after an incident, until every row is right."""
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        with suppress(*CONNECTION_ERRORS):
            clear_holds_and_halt(demo.database, by=OPERATOR)
            if not demo.mismatches():
                return
        time.sleep(1)


def _wrong_rows(demo: Demo) -> Iterator[str]:
    """Describe everything that is wrong with the rows, their changes and the audit trail."""
    changes = _read_changes(demo)
    with demo.database.autocommit() as connection:
        entries = audit_trail.read_entries(connection)
    yield from demo.mismatches()
    yield from change_recorder.wrong_changes(demo)
    yield from audit_trail.broken_chains(changes)
    yield from audit_trail.wrong_entries(changes, entries)


def _read_changes(demo: Demo) -> list[change_recorder.RecordedChange]:
    with demo.database.autocommit() as connection:
        return change_recorder.read_changes(connection)


def _wrong_stop(code: int) -> Iterator[str]:
    if code != Exit.OK:
        yield f"after TERM at the end, the supervisor ended with code {code}"
