"""The parent process: plan, hand out, count, until stopped.

    sweep    from the longest unsynced item to the last stale one, page by page
    cycle    what one page led to; recorded when the last of it has come back
    rest     the pause between sweeps

One event loop, and nothing blocks it: planning and recording run in threads, the rest is short. A
stop waits for none of them.

A worker's trouble (database gone, breaker open) pauses that worker; what it could not do is queued
again, and nothing is held against the orders. What a worker had in hand when it died is the next to
be handed out, before its replacement has even started.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar, assert_never

import structlog

from reconciler.errors import ConfigurationError, Problem, ReconcilerError, StoreUnavailable
from reconciler.resilience.breaker import BreakerState
from reconciler.resilience.budget import WINDOW_SECONDS, WeightWindow
from reconciler.supervisor.budget import SharedBudget
from reconciler.supervisor.crew import Crew
from reconciler.supervisor.cycle import OpenCycle
from reconciler.supervisor.dispatch import Dispatch
from reconciler.supervisor.patience import Patience
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.signals import Demand, listening
from reconciler.supervisor.threads import in_thread
from reconciler.telemetry.metrics import Counter, Gauge, Metrics, Timer
from reconciler.worker.messages import (
    Beat,
    Blocked,
    Done,
    FromChild,
    Granted,
    Need,
    Ready,
    Silence,
    Unfit,
    Used,
)
from reconciler.worker.workload import (
    Cycle,
    Page,
    Planner,
    Proposal,
    Result,
    Run,
    Tally,
    Trouble,
    TroubleKind,
    Workload,
)

PAGE_ITEMS = 20_000
"""Planned at once: so many that a symbol's orders come together and one request answers for them.
A page a fifth as long cost 2.6 times the request weight (50,000 orders of 12 symbols)."""

MOST_CRASHES = 3
STORE_RETRY_SECONDS = 2.0
RECORD_SECONDS = 2.0
GAUGE_SECONDS = 10.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options:
    """The supervisor's own settings.

    Attributes:
        is_once: End after one sweep.
        patience: In a single sweep, give up when only trouble has come for so long.
    """

    shards: int
    batch_size: int
    interval: timedelta
    drain: timedelta
    rate_share: float
    is_once: bool = False
    patience: timedelta = timedelta(seconds=30)
    restarts: RestartPolicy = field(default_factory=RestartPolicy)


class Ending(StrEnum):
    """Why the supervisor ended."""

    STOPPED = "stopped"
    SWEPT = "swept"
    STORE_GONE = "store_gone"
    EXCHANGE_GONE = "exchange_gone"


@dataclass(kw_only=True)
class Summary:
    """What a run of the supervisor has done so far.

    Attributes:
        abandoned: Items that were given up because workers kept dying with them in hand.
        trouble: What made it give up, for a person; None if it did not.
    """

    tally: Tally = field(default_factory=Tally)
    cycles: int = 0
    restarts: int = 0
    abandoned: int = 0
    ending: Ending = Ending.STOPPED
    trouble: str | None = None
    proposals: list[Proposal] = field(default_factory=list)


class Supervisor:
    """Runs one workload on a number of worker processes."""

    def __init__(
        self,
        workload: Workload,
        options: Options,
        *,
        metrics: Metrics,
        prepare_worker: Callable[[int], Callable[[], None]],
        on_progress: Callable[[Summary], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            workload: What to do.
            options: How.
            metrics: Where the parent's metrics go; the workers open their own.
            prepare_worker: Returns what a shard's worker calls first, to set up its logging.
            on_progress: Called after each batch.
        """
        self._workload = workload
        self._options = options
        self._metrics = metrics
        self._on_progress = on_progress
        self._dispatch = Dispatch(options.shards, batch_size=options.batch_size)
        self._budget = SharedBudget(WeightWindow(workload.weight_per_minute, options.rate_share))
        self._crew = Crew(
            workload,
            shards=options.shards,
            restarts=options.restarts,
            prepare_worker=prepare_worker,
            foreman=self,
        )
        self._paused_until: dict[int, float] = {}
        self._breakers: dict[int, BreakerState] = {}
        self._cycles: dict[int, OpenCycle] = {}
        self._patience = Patience(options.patience if options.is_once else None)
        self._page_items = max(PAGE_ITEMS, options.shards * options.batch_size)
        self._low_water = options.shards * options.batch_size
        self._finished: asyncio.Queue[Cycle | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._is_stopping = False
        self._is_in_haste = False
        self._failure: BaseException | None = None
        self.summary = Summary()

    @property
    def pids(self) -> dict[int, int | None]:
        """The workers' process ids by shard."""
        return self._crew.pids

    async def run(self) -> Summary:
        """Run until finished, or until a signal says so; drain; return what was done.

        Raises:
            ConfigurationError: settings, schema or credentials cannot work.
            StoreUnavailable: the database did not answer at the start.
            ReconcilerError: in a single sweep, the workers kept dying.
        """
        asyncio.get_running_loop().set_exception_handler(self._on_bug)
        with listening(self._on_demand):
            planner = await self._unless_stopped(in_thread(self._workload.open_planner))
            if planner is not None:
                log.info(
                    "supervisor.started", shards=self._options.shards, once=self._options.is_once
                )
                await self._supervise(planner)
        if self._failure is not None:
            raise self._failure
        log.info(
            "supervisor.ended", ending=self.summary.ending.value, restarts=self.summary.restarts
        )
        return self.summary

    async def _supervise(self, planner: Planner) -> None:
        gauges = self._begin(self._send_gauges(planner))
        recorder = self._begin(self._record_cycles(planner))
        try:
            self._crew.start()
            await self._work(planner)
            await self._drain()
            self._crew.kill()
            await self._record_the_rest(recorder)
        finally:
            self._crew.kill()
            gauges.cancel()
            recorder.cancel()
            planner.close()
            self._metrics.flush()

    # Planning.

    async def _work(self, planner: Planner) -> None:
        while not self._is_stopping:
            await self._sweep(planner)
            if self._options.is_once:
                await self._until(lambda: not self._cycles)
                if not self._is_stopping:
                    self._end(Ending.SWEPT)
                return
            await self._pause(self._options.interval.total_seconds())

    async def _sweep(self, planner: Planner) -> None:
        """Work through all that is stale now; leave the last batches to finish on their own."""
        after: Hashable | None = None
        while (page := await self._read_page(planner, after)) is not None:
            self._begin_cycle(page)
            await self._until(lambda: self._dispatch.queued_items <= self._low_water)
            after = page.next
            if after is None:
                return

    async def _read_page(self, planner: Planner, after: Hashable | None) -> Page | None:
        """Read the next page, however long the database is away; None when it is time to stop."""
        while not self._is_stopping:
            try:
                return await self._unless_stopped(in_thread(planner.plan, self._page_items, after))
            except StoreUnavailable as error:
                log.warning("supervisor.waits_for_store", reason=str(error))
                self._lose_patience(Ending.STORE_GONE, str(error), STORE_RETRY_SECONDS)
            await self._pause(STORE_RETRY_SECONDS)
        return None

    def _begin_cycle(self, page: Page) -> None:
        under_way = self._dispatch.ids_under_way()
        runs = [rest for run in page.runs if (rest := _without(run, under_way)).items]
        number = self.summary.cycles
        self.summary.cycles += 1
        self._cycles[number] = OpenCycle(sum(len(run.items) for run in runs))
        self._dispatch.add(runs, number)
        self._close_if_done(number)
        self._feed()

    # Handing out.

    def _feed(self) -> None:
        """Hand a batch to every idle worker that may have one."""
        now = time.monotonic()
        for shard in self._crew.idle:
            if self._paused_until.get(shard, 0.0) > now or self._is_stopping:
                continue
            batch = self._dispatch.hand_out(shard)
            if batch is not None:
                self._crew.hand(shard, batch)

    def on_message(self, shard: int, message: FromChild) -> None:
        """Act on what a worker says."""
        match message:
            case Ready():
                pass
            case Done(result=result):
                self._take_back(shard, result)
            case Need(number=number, weight=weight):
                self._budget.request(shard, weight, lambda: self._crew.send(shard, Granted(number)))
            case Silence(seconds=seconds):
                self._keep_silent(seconds)
            case Used(weight=weight):
                self._budget.observe(weight)
            case Blocked(reason=reason, retry_seconds=seconds):
                self._lose_patience(Ending.STORE_GONE, reason, seconds)
            case Unfit(problems=problems):
                self._fail(ConfigurationError(problems))
            case Beat():
                pass
            case _:
                assert_never(message)
        self._feed()
        self._changed.set()

    def on_death(self, shard: int) -> None:
        """Queue what the dead worker had in hand again, first of all."""
        self._budget.withdraw(shard)
        if shard in self._dispatch.in_hand:
            batch = self._dispatch.done(shard)
            again = [replace(run, crashes=run.crashes + 1) for run in batch.runs]
            self._dispatch.adopt([run for run in again if run.crashes < MOST_CRASHES], batch.cycle)
            self._abandon([run for run in again if run.crashes >= MOST_CRASHES], batch.cycle)
        if not self._is_stopping:
            self.summary.restarts += 1
            self._metrics.incr(Counter.SUPERVISOR_RESTARTS)
            self._mind_death()
        self._feed()
        self._changed.set()

    def _abandon(self, runs: list[Run], cycle: int) -> None:
        """Leave alone what has killed one worker after another; the next sweep tries again."""
        items = sum(len(run.items) for run in runs)
        if items:
            log.error("batch.abandoned", items=items, keys=[run.key for run in runs])
            self.summary.abandoned += items
            tally = Tally(scanned=items, errors=items)
            self._count(cycle, tally, finished_items=items)

    def _take_back(self, shard: int, result: Result) -> None:
        batch = self._dispatch.done(shard)
        self._breakers[shard] = result.breaker
        second_try = [run for run in result.skipped if not run.is_second_try]
        self._dispatch.put_last(shard, second_try, batch.cycle)
        self._dispatch.put_back(shard, result.undone, batch.cycle)
        coming_back = sum(len(run.items) for run in (*second_try, *result.undone))
        self.summary.proposals.extend(result.proposals)
        self._count(batch.cycle, result.tally, finished_items=batch.size - coming_back)
        if result.trouble is not None:
            self._note_trouble(shard, result.trouble)

    def _count(self, number: int, tally: Tally, *, finished_items: int) -> None:
        self._cycles[number].count(tally, finished_items=finished_items)
        self.summary.tally.add(tally)
        if tally.scanned > tally.errors:
            self._patience.renew()
        self._close_if_done(number)
        self._on_progress(self.summary)

    # Trouble.

    def _note_trouble(self, shard: int, trouble: Trouble) -> None:
        log.warning("worker.in_trouble", shard=shard, kind=trouble.kind, reason=trouble.message)
        match trouble.kind:
            case TroubleKind.STORE:
                ending = Ending.STORE_GONE
            case TroubleKind.EXCHANGE:
                ending = Ending.EXCHANGE_GONE
            case TroubleKind.REFUSED:
                ending = Ending.EXCHANGE_GONE
                if self._options.is_once:
                    self._fail(ConfigurationError([_refusal(trouble)]))
            case _:
                assert_never(trouble.kind)
        self._hold_back(shard, trouble.retry_after_seconds)
        self._lose_patience(ending, trouble.message, trouble.retry_after_seconds)

    def _hold_back(self, shard: int, seconds: float) -> None:
        self._paused_until[shard] = time.monotonic() + seconds
        asyncio.get_running_loop().call_later(seconds, self._feed)

    def _keep_silent(self, seconds: float) -> None:
        """Let nobody ask the exchange. A single sweep waits out a minute's limit, but no ban."""
        log.warning("supervisor.rate_limited", pause_seconds=seconds)
        self._budget.pause(seconds)
        if seconds > WINDOW_SECONDS:
            reason = f"the exchange wants to be asked nothing for {seconds:.0f} s"
            self._lose_patience(Ending.EXCHANGE_GONE, reason, seconds)

    def _lose_patience(self, ending: Ending, reason: str, retry_after_seconds: float) -> None:
        """In a single sweep, end when the wait for something that is gone would be too long."""
        if self._patience.is_over(retry_after_seconds):
            self.summary.trouble = reason
            self._end(ending)

    def _mind_death(self) -> None:
        """In a single sweep, end when workers do nothing but die."""
        if self._patience.is_over():
            reason = "the workers keep dying, and nothing goes forward: see why in the log above"
            self._fail(ReconcilerError(reason))

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._end(Ending.STOPPED)

    # Ending.

    def _on_demand(self, demand: Demand) -> None:
        log.info("supervisor.told", demand=demand.value)
        self._is_in_haste = demand is Demand.STOP_FAST or self._is_stopping
        self._end(Ending.STOPPED)

    def _end(self, ending: Ending) -> None:
        if not self._is_stopping:
            self.summary.ending = ending
        self._is_stopping = True
        self._changed.set()

    def _on_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End on what should never happen, in a callback of the loop, instead of hanging on."""
        error = context.get("exception") or RuntimeError(context["message"])
        log.error("supervisor.bug", exc_info=error)
        self._fail(error)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; what ends it by an exception ends everything."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._fail(error)

    async def _drain(self) -> None:
        """Let the workers finish what they have in hand, as long as the deadline allows."""
        self._is_stopping = True
        self._crew.dismiss()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain.total_seconds()):
                while self._crew.running and not self._is_in_haste:
                    self._changed.clear()
                    await self._changed.wait()

    async def _record_the_rest(self, recorder: asyncio.Task[None]) -> None:
        """Record the cycles that are not yet, also those cut short, if the database lets us."""
        for cycle in self._cycles.values():
            self._finished.put_nowait(cycle.finish())
        self._finished.put_nowait(None)
        await asyncio.wait([recorder], timeout=RECORD_SECONDS)

    # Cycles and gauges.

    def _close_if_done(self, number: int) -> None:
        if self._cycles[number].is_done:
            self._finished.put_nowait(self._cycles.pop(number).finish())

    async def _record_cycles(self, planner: Planner) -> None:
        """Write down one finished cycle after another, until None comes."""
        while (cycle := await self._finished.get()) is not None:
            self._metrics.timing(Timer.CYCLE_DURATION, cycle.duration_ms)
            self._metrics.gauge(Gauge.CYCLE_LAST_DURATION_MS, cycle.duration_ms)
            self._metrics.gauge(Gauge.CYCLE_LAST_RUN_TIMESTAMP, cycle.finished_at.timestamp())
            self._metrics.flush()
            try:
                await in_thread(planner.record, cycle)
            except StoreUnavailable as error:
                log.warning("cycle.not_recorded", reason=str(error))

    async def _send_gauges(self, planner: Planner) -> None:
        while True:
            with suppress(StoreUnavailable):
                backlog = await in_thread(planner.backlog)
                self._metrics.gauge(Gauge.STALE_BACKLOG, backlog.items)
                self._metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, backlog.oldest_age_seconds)
            is_open = [state is BreakerState.OPEN for state in self._breakers.values()]
            self._metrics.gauge(Gauge.BREAKERS_OPEN, sum(is_open))
            self._metrics.gauge(Gauge.SHARDS_DESIRED, self._options.shards)
            self._metrics.gauge(Gauge.SHARDS_RUNNING, self._crew.running)
            self._metrics.flush()
            await asyncio.sleep(GAUGE_SECONDS)

    # Waiting.

    async def _unless_stopped(self, work: asyncio.Future[T]) -> T | None:
        """Await `work`, but no longer than until it is time to stop; then return None."""
        work.add_done_callback(lambda _: self._changed.set())
        await self._until(work.done)
        if work.done():
            return work.result()
        work.cancel()
        return None

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not (is_so() or self._is_stopping):
            self._changed.clear()
            await self._changed.wait()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._until(lambda: False)


def _without(run: Run, ids: set[object]) -> Run:
    return replace(run, items=tuple(item for item in run.items if item.id not in ids))


def _refusal(trouble: Trouble) -> Problem:
    what, _, mend = trouble.message.partition("\n  mend: ")
    return Problem(what=what, mend=mend)
