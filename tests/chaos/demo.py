"""`reconciler demo --chaos`: the exchange misbehaves and workers are killed; then all ends well."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from reconciler.cli.run_report import RunReport
from reconciler.cli.runner import run_config_of, run_supervisor
from reconciler.demo import Demo
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.store.holds import list_holds
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import open_metrics
from tests.chaos import change_recorder
from tests.chaos.kills import kill_workers
from tests.chaos.recovery import EVERY_HOLD, clear_holds_and_halt
from tests.chaos.schedule import Schedule, plan_chaos

STALE_SHARE = 0.8
"""After this share of the chaos every row has been stale: until then work keeps coming."""

MOST_SWEEPS = 5
OPERATOR = "demo"

# Short times, so that much happens: retries, breakers and replacements are gone through many times.
HURRY = {
    "interval_ms": 500,
    "stale_minutes": 0.05,
    "breaker_open_ms": 1000,
    "retry_initial_ms": 20,
    "retry_cap_ms": 100,
    "rate_share": 1.0,
    "drain_seconds": 3.0,
}
AT_ONCE = {"stale_minutes": 0.0001}
RESTARTS = RestartPolicy(most=1000, cap=timedelta(milliseconds=400))

Progress = Callable[[Summary], None]


@dataclass(frozen=True, kw_only=True)
class ChaosReport(RunReport):
    """The report of a demo with chaos: a demo's, and what went wrong on purpose.

    Attributes:
        faults_injected: Kinds of fault that were in force at the exchange.
        requests_refused: Requests that the exchange did not answer with HTTP 200.
        workers_killed: Workers that were killed.
        holds_made: Holds that were made, whatever became of them.
        sweeps_afterwards: Sweeps after the chaos until every row was right.
    """

    faults_injected: int
    requests_refused: int
    workers_killed: int
    holds_made: int
    sweeps_afterwards: int

    def _rows(self) -> list[tuple[str, int | float, str]]:
        return [
            *super()._rows(),
            ("kinds of fault injected", self.faults_injected, ""),
            ("requests not answered", self.requests_refused, ""),
            ("workers killed", self.workers_killed, ""),
            ("holds made", self.holds_made, ""),
            ("sweeps afterwards", self.sweeps_afterwards, ""),
        ]


class Chaos:
    """A time of faults and kills while the demo reconciles, and what it did."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._done: dict[str, Any] = {}

    def reconcile(
        self, demo: Demo, settings: Settings, *, seed: int, on_progress: Progress
    ) -> Summary:
        """Reconcile while everything goes wrong, then put it right as an operator would.

        Raises:
            KeyboardInterrupt: INT or TERM came.
            ReconcilerError: the supervisor failed.
        """
        rng = Random(seed)  # noqa: S311 - chaos is to be reproducible, not secret
        schedule = plan_chaos(seconds=self._seconds, rng=rng)
        with demo.database.transaction() as connection:
            change_recorder.start(connection)
        demo.go_stale_within(self._seconds * STALE_SHARE)
        summary, kills = asyncio.run(
            _live_through(
                demo, settings.model_copy(update=HURRY), schedule, rng=rng, on_progress=on_progress
            )
        )
        demo.exchange.clear_faults()
        sweeps = _put_right(demo, settings.model_copy(update=HURRY | AT_ONCE), summary)
        with demo.database.autocommit() as connection:
            holds = list_holds(connection, reason=None, with_resolved=True, limit=EVERY_HOLD)
        self._done = {
            "faults_injected": len(schedule.steps),
            "requests_refused": sum(demo.exchange.stats()["rejected"].values()),
            "workers_killed": kills,
            "holds_made": len(holds),
            "sweeps_afterwards": sweeps,
        }
        return summary

    def wrong_changes(self, demo: Demo) -> list[str]:
        """Describe each change of a row that must never have been made."""
        return change_recorder.wrong_changes(demo)

    def add_to(self, report: RunReport) -> ChaosReport:
        """Return the report with what the chaos did."""
        return ChaosReport(**vars(report), **self._done)


def _supervisor(settings: Settings, on_progress: Progress) -> Supervisor:
    run_config = run_config_of(OrderWorkload(settings=settings), settings, is_once=False)
    return Supervisor(
        run_config.workload,
        replace(run_config.options, restarts=RESTARTS),
        metrics=open_metrics(settings.statsd),
        set_up_worker=run_config.set_up_worker,
        on_progress=on_progress,
    )


async def _live_through(
    demo: Demo, settings: Settings, schedule: Schedule, *, rng: Random, on_progress: Progress
) -> tuple[Summary, int]:
    """Run a supervisor until the chaos is over; return what it did, and the workers killed.

    The chaos begins with the first batch: before, there is nobody to feel it.

    Raises:
        KeyboardInterrupt: it was told to stop before.
    """
    at_work = asyncio.Event()

    def note_progress(summary: Summary) -> None:
        at_work.set()
        on_progress(summary)

    supervisor = _supervisor(settings, note_progress)

    async def wreak() -> int:
        await at_work.wait()
        await asyncio.to_thread(demo.exchange.set_timeline, schedule.steps)
        return await kill_workers(schedule, lambda: supervisor.pids, rng=rng)

    running = asyncio.create_task(supervisor.run())
    wreaking = asyncio.create_task(wreak())
    await asyncio.wait({running, wreaking}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        wreaking.cancel()
        running.result()
        raise KeyboardInterrupt
    os.kill(os.getpid(), signal.SIGTERM)  # as an operator stops it: it drains
    summary = await running
    return summary, wreaking.result()


def _put_right(demo: Demo, settings: Settings, summary: Summary) -> int:
    """Dismiss holds, release the halt and sweep until every row is true; return the sweeps.

    Raises:
        KeyboardInterrupt: INT or TERM came.
    """
    for sweep in range(1, MOST_SWEEPS + 1):
        clear_holds_and_halt(demo.database, by=OPERATOR)
        swept = run_supervisor(OrderWorkload(settings=settings), settings, is_once=True)
        _add(summary, swept)
        if swept.ending is StopReason.STOPPED:
            raise KeyboardInterrupt
        if not demo.mismatches():
            return sweep
    return MOST_SWEEPS


def _add(summary: Summary, swept: Summary) -> None:
    summary.counts.add(swept.counts)
    summary.cycles += swept.cycles
    summary.restarts += swept.restarts
    summary.set_aside += swept.set_aside
    summary.ending = swept.ending
    summary.fault = swept.fault
