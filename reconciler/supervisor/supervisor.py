"""The parent process: plan sweep after sweep until stopped, then drain.

    sweep    from the longest unsynced item to the last stale one, page by page
    cycle    some of a page, about ten seconds of the rate budget: see `floor`
    rest     the pause between sweeps

One event loop, and nothing blocks it: planning and recording run in threads, the rest is short. A
stop waits for none of them. While the halt is on, only samples are looked at.

The number of shards and the settings may change at any time: see `Floor.resize` and `renewal`.
"""

import asyncio
import faulthandler
import tempfile
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, assert_never

import msgspec
import structlog

from reconciler.control.handlers import Desk
from reconciler.control.server import ControlServer
from reconciler.errors import StoreRefused, StoreUnavailable, WorkersDying
from reconciler.resilience.breaker import BreakerState
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.background_writes import Chore, Chores
from reconciler.supervisor.coordinator import Floor
from reconciler.supervisor.cycle import group_by_cost, sample_of, size_of
from reconciler.supervisor.reload import Renewal, Setup
from reconciler.supervisor.shard_gauges import ShardGauges
from reconciler.supervisor.signals import Demand, listening
from reconciler.supervisor.stall_timeout import Patience
from reconciler.supervisor.status import Phase
from reconciler.supervisor.summary import Ending, Options, Summary
from reconciler.supervisor.threads import in_thread
from reconciler.telemetry.metrics import Counter, Gauge, Metrics, count_lost_lines
from reconciler.telemetry.standard_error import is_reader_gone
from reconciler.workload import Backlog, Page, Planner, Workload

SAMPLE_ITEMS = 100
HALT_TEST_SECONDS = 15.0
STORE_RETRY_SECONDS = 2.0
RECORD_SECONDS = 2.0
GAUGE_SECONDS = 10.0
LOG_SECONDS = 1.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


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
        reload: Callable[[], Setup] | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            workload: What to do.
            options: How.
            metrics: Where the parent's metrics go; the workers open their own.
            prepare_worker: Returns what a shard's worker calls first, to set up its logging.
            on_progress: Called after each batch.
            reload: Reads the settings anew, on HUP. Without it HUP changes nothing.
        """
        self._workload = workload
        self._metrics = metrics
        self._shard_gauges = ShardGauges(metrics)
        self._on_progress = on_progress
        self._patience = Patience(options.patience if options.is_once else None)
        self._chores = Chores()
        self._renewal = None if reload is None else Renewal(reload)
        self._changed = asyncio.Event()
        self._is_stopping = False
        self._is_in_haste = False
        self._is_ready = False
        self._last_trouble = "no worker got ready"
        self._failure: BaseException | None = None
        self.summary = Summary()
        self._floor = Floor(
            workload,
            options,
            self.summary,
            metrics=metrics,
            prepare_worker=prepare_worker,
            boss=self,
        )
        self._desk = Desk(
            floor=self._floor,
            summary=self.summary,
            scale=self.scale,
            phase=lambda: self.phase,
        )

    @property
    def _options(self) -> Options:
        return self._floor.options

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        if self._is_stopping:
            return Phase.DRAINING
        if not self._is_ready:
            return Phase.STARTING
        return Phase.RUNNING if self._floor.halt is None else Phase.HALTED

    @property
    def pids(self) -> dict[int, int | None]:
        """The workers' process ids by shard."""
        return self._floor.crew.pids

    async def run(self) -> Summary:
        """Run until finished, or until a signal says so; drain; return what was done.

        Raises:
            ConfigurationError: settings, schema or credentials cannot work.
            StoreUnavailable: the database did not answer at the start.
            SocketTaken: another supervisor has the control socket.
            WorkersDying: the workers kept dying.
        """
        asyncio.get_running_loop().set_exception_handler(self._on_bug)
        with listening(self._on_demand):
            control = await self._open_control()
            try:
                await self._begin_and_end()
            finally:
                if control is not None:
                    await control.close()
        if self._failure is not None:
            raise self._failure
        log.info(
            "supervisor.ended",
            ending=self.summary.ending.value,
            restarts=self.summary.restarts,
            killed=self.summary.killed_at_stop,
        )
        return self.summary

    async def _open_control(self) -> ControlServer | None:
        path = self._options.control_socket
        if path is None:
            return None
        control = ControlServer(path, self._desk.answer)
        await control.open()
        return control

    async def _begin_and_end(self) -> None:
        planner = await self._unless_stopped(in_thread(self._open_planner))
        if planner is None:
            return
        self._planner = planner
        self._floor.history.begin()
        log.info("supervisor.started", shards=self._options.shards, once=self._options.is_once)
        beside = [
            self._begin(work)
            for work in (
                self._send_gauges(),
                self._floor.crew.watch(),
                self._give_up_a_bad_start(),
                self._watch_log(),
                self._renew(),
            )
        ]
        chores = self._begin(self._chores.work(lambda: self._planner))
        try:
            pause = await self._ask(lambda planner: planner.read_pause())
            if pause is not None:
                self._floor.restore_pause(pause)
            self._floor.resize(self._options)
            await self._work()
            await self._drain()
            self._kill_the_rest()
            await self._record_the_rest(chores)
        finally:
            self._floor.crew.kill()
            for task in (*beside, chores):
                task.cancel()
            self._planner.close()
            self._shard_gauges.withdraw()

    async def _watch_log(self) -> None:
        """End when nobody will ever read the log: whatever went wrong, nobody would know."""
        while True:
            if is_reader_gone():
                self.summary.trouble = "nobody reads standard error, where the log goes, any more"
                self._end(Ending.LOG_GONE)
            await asyncio.sleep(LOG_SECONDS)

    def _open_planner(self) -> Planner:
        planner = self._workload.open_planner()
        try:
            self._floor.history.write(planner)
        except StoreUnavailable:
            planner.close()
            raise
        return planner

    async def _give_up_a_bad_start(self) -> None:
        """End if no worker gets ready: whoever starts us must not take us for running then."""
        if self._options.is_once:
            return
        await asyncio.sleep(self._options.start_patience.total_seconds())
        if not self._is_ready:
            self.on_failure(StoreUnavailable(self._last_trouble))

    # Planning.

    async def _work(self) -> None:
        while not self._is_stopping:
            if self._floor.halt is None:
                await self._look_for_halt()
            if self._floor.halt is not None:
                await self._test_halt()
            if self._floor.halt is None:
                await self._sweep()
            if self._options.is_once:
                await self._until(lambda: not self._floor.cycles or self._floor.halt is not None)
                self._end(Ending.SWEPT if self._floor.halt is None else Ending.HALTED)
            elif self._floor.halt is not None:
                await self._pause(HALT_TEST_SECONDS)
            else:
                await self._rest()

    async def _sweep(self) -> None:
        """Work through all that is stale now; leave the last batches to finish on their own."""
        after: Hashable | None = None
        while (
            page := await self._ask(partial(_plan, self._options.page_items, after))
        ) is not None:
            groups = list(group_by_cost(self._floor.new_in(page), self._floor.cycle_cost))
            if not page.runs and self._floor.history.is_due:
                groups = [[]]  # That nothing is stale is a run too, and is recorded as one.
            for number, runs in enumerate(groups, start=1):
                is_last = page.next is None and number == len(groups)
                cycle = self._floor.begin_cycle(runs, ends_sweep=is_last)
                await self._until(partial(self._floor.may_go_on, cycle))
                if self._is_stopping or self._floor.halt is not None:
                    return
            after = page.next
            if after is None:
                return

    async def _look_for_halt(self) -> None:
        """Stop where another host has applied the halt: it counts for all."""
        reason = await self._ask(lambda planner: planner.read_halt())
        if reason is not None:
            self._floor.adopt_halt(reason)

    async def _test_halt(self) -> None:
        """Look at a sample, without writing; take the halt off if it is clean, or somebody did.

        What another host has seen while we saw nothing is not refuted by a sample of ours.
        """
        if not self._floor.is_halt_recorded:
            await self._ask(partial(self._floor.record_halt, self._floor.halt))
        elif await self._ask(lambda planner: planner.read_halt()) is None and not self._is_stopping:
            self._floor.release_halt("released by a person", is_recorded=True)
            return
        if self._floor.is_halt_of_others:
            return
        page = await self._ask(partial(_plan, self._options.page_items, None))
        if page is not None:
            runs = self._floor.new_in(page)
            sample = sample_of(runs, SAMPLE_ITEMS)
            is_whole = page.next is None and size_of(sample) == size_of(runs)
            cycle = self._floor.begin_cycle(sample, is_sample=True, ends_sweep=is_whole)
            await self._until(lambda: cycle.is_done)
        if self._floor.halt is None:
            await self._ask(partial(self._floor.record_halt, None))

    async def _ask(self, question: Callable[[Planner], T]) -> T | None:
        """Ask the planner, however long the database is away; None when it is time to stop."""
        while not self._is_stopping:
            planner = self._planner
            try:
                answer = await self._unless_stopped(in_thread(question, planner))
                self._desk.store_refusal = self._desk.store_away = None
            except (StoreUnavailable, StoreRefused) as error:
                if isinstance(error, StoreRefused):
                    if self._options.is_once:
                        raise
                    self._desk.store_refusal = str(error)
                self._desk.store_away = str(error)
                log.warning("supervisor.waits_for_store", reason=str(error))
                self.on_trouble(Ending.STORE_GONE, str(error), STORE_RETRY_SECONDS)
                self._floor.wait_for_store(STORE_RETRY_SECONDS)
            else:
                return answer
            await self._pause(STORE_RETRY_SECONDS)
        return None

    # Tuning.

    def scale(self, shards: int) -> None:
        """Have so many shards from now on; what is in hand is finished where it is."""
        if shards == self._options.shards or self._is_stopping:
            return
        log.warning("supervisor.scaled", before=self._options.shards, shards=shards)
        self._floor.resize(replace(self._options, shards=shards))

    async def _renew(self) -> None:
        """Take new settings whenever asked to, and let one worker after another be born with them.

        The number of shards is set anew only if the setting has changed: it may have been scaled.
        """
        if self._renewal is None:
            return
        configured = self._options.shards
        while True:
            setup, planner = await self._renewal.next()
            before, self._planner = self._planner, planner
            before.close()
            has_changed = setup.options.shards != configured
            shards = setup.options.shards if has_changed else self._options.shards
            configured = setup.options.shards
            options = replace(setup.options, shards=shards)
            self._floor.renew(setup.workload, options, setup.prepare_worker)
            self._changed.set()
            for shard in range(self._options.shards):
                await self._renew_worker(shard)
            log.warning("supervisor.reloaded", shards=self._options.shards)

    async def _renew_worker(self, shard: int) -> None:
        """Replace a shard's worker, and wait until the new one is there or it is not to be."""
        before = self._floor.crew.pids.get(shard)
        if shard >= self._options.shards or self._is_stopping:
            return
        self._floor.replace_worker(shard)
        await self._wait_for(
            lambda: (
                self._is_stopping
                or shard >= self._options.shards
                or self._floor.crew.is_renewed(shard, before)
            )
        )

    async def _report(self) -> None:
        """Write to the log what we are doing, and where each thread of ours and theirs is."""
        status = await self._desk.status()
        log.warning("supervisor.state", state=msgspec.to_builtins(status), stacks=_own_stacks())
        self._floor.crew.log_stacks()

    # What the floor cannot settle by itself.

    def on_change(self) -> None:
        """Let whoever waits look again."""
        self._changed.set()

    def on_progress(self) -> None:
        """Show what has been done."""
        self._on_progress(self.summary)

    def on_breaker(self) -> None:
        """Send where the breakers stand."""
        self._shard_gauges.send(self._floor.breakers)
        self._metrics.flush()

    def on_success(self) -> None:
        """Take new patience."""
        self._patience.renew()

    def on_ready(self) -> None:
        """Take note that there is a worker to work."""
        self._is_ready = True

    def on_trouble(self, ending: Ending, reason: str, retry_after_seconds: float) -> None:
        """In a single sweep, end when the wait for something that is gone would be too long."""
        self._last_trouble = reason
        if self._patience.is_over(retry_after_seconds):
            self.summary.trouble = reason
            self._end(ending)

    def on_death(self) -> None:
        """In a single sweep, end when workers do nothing but die."""
        self._metrics.incr(Counter.SUPERVISOR_RESTARTS)
        if self._patience.is_over():
            reason = "the workers keep dying, and nothing goes forward: see why in the log above"
            self.on_failure(WorkersDying(reason))

    def on_failure(self, failure: BaseException) -> None:
        """End: nothing can go on."""
        self._failure = self._failure or failure
        self._end(Ending.STOPPED)

    def write_down(self, chore: Chore) -> None:
        """Have something written that nobody waits for."""
        self._chores.add(chore)

    # Ending.

    def _on_demand(self, demand: Demand) -> None:
        log.info("supervisor.told", demand=demand.value)
        match demand:
            case Demand.STOP | Demand.STOP_FAST:
                self._is_in_haste = demand is Demand.STOP_FAST or self._is_stopping
                self._end(Ending.STOPPED)
            case Demand.GROW:
                self.scale(min(MAX_SHARDS, self._options.shards + 1))
            case Demand.SHRINK:
                self.scale(max(1, self._options.shards - 1))
            case Demand.RELOAD:
                if self._renewal is not None:
                    self._renewal.request()
            case Demand.REPORT:
                self._begin(self._report())
            case _:
                assert_never(demand)

    def _end(self, ending: Ending) -> None:
        if not self._is_stopping:
            self.summary.ending = ending
        self._is_stopping = self._floor.is_closing = True
        self._changed.set()

    def _on_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End on what should never happen, in a callback of the loop, instead of hanging on."""
        error = context.get("exception") or RuntimeError(context["message"])
        log.error("supervisor.bug", exc_info=error)
        self.on_failure(error)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; what ends it by an exception ends everything."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.on_failure(error)

    async def _drain(self) -> None:
        """Let the workers finish what they have in hand, as long as the deadline allows."""
        self._is_stopping = self._floor.is_closing = True
        self._floor.drop_queued()
        self._floor.end_waits()
        self._floor.go_on()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain.total_seconds()):
                if self._floor.halt is None:
                    await self._wait_for(lambda: not self._floor.crew.has_work or self._is_in_haste)
                self._floor.crew.dismiss()
                await self._wait_for(lambda: not self._floor.crew.children or self._is_in_haste)

    def _kill_the_rest(self) -> None:
        """End the workers that have not ended in time, and say so unless haste was asked for."""
        killed = self._floor.crew.kill()
        if killed and not self._is_in_haste:
            self.summary.killed_at_stop = killed
            log.error(
                "supervisor.drain_incomplete",
                killed=killed,
                drain_seconds=self._options.drain.total_seconds(),
            )

    async def _record_the_rest(self, chores: asyncio.Task[None]) -> None:
        """Record the cycles that are not yet, also those cut short, if the database lets us."""
        for cycle in self._floor.cycles.values():
            self._floor.record(cycle)
        self._floor.record_pause()
        self._chores.end()
        await asyncio.wait([chores], timeout=RECORD_SECONDS)

    # Gauges.

    async def _send_gauges(self) -> None:
        while True:
            self._floor.record_failures()
            if self._chores.is_idle:
                self.write_down(self._floor.history.write)
            backlog = await self._measure_backlog()
            if backlog is not None:
                self._desk.note_backlog(backlog)
                self._metrics.gauge(Gauge.STALE_BACKLOG, backlog.items)
                self._metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, backlog.oldest_age_seconds)
                self._metrics.gauge(Gauge.ORDERS_NOT_FOLLOWED, backlog.unfollowed_items)
                self._metrics.gauge(Gauge.ORDERS_DUPLICATES, backlog.duplicate_items)
                self._metrics.gauge(Gauge.HOLDS_OPEN, backlog.held_items or 0)
                oldest_hold = backlog.oldest_hold_age_seconds or 0
                self._metrics.gauge(Gauge.HOLDS_OLDEST_AGE_SECONDS, oldest_hold)
            self._shard_gauges.send(self._floor.breakers)
            self._metrics.gauge(Gauge.BREAKERS_OPEN, self._floor.breakers_in(BreakerState.OPEN))
            self._metrics.gauge(Gauge.SHARDS_DESIRED, self._options.shards)
            self._metrics.gauge(Gauge.SHARDS_RUNNING, len(self._floor.crew.children))
            self._metrics.gauge(Gauge.SHARDS_PARKED, len(self._floor.crew.parked))
            count_lost_lines(self._metrics)
            self._metrics.flush()
            await asyncio.sleep(GAUGE_SECONDS)

    async def _measure_backlog(self) -> Backlog | None:
        """Measure; None where that fails: no failure of a metric may end the service."""
        try:
            return await in_thread(self._planner.backlog)
        except (StoreUnavailable, StoreRefused):
            return None
        except Exception:
            log.exception("supervisor.backlog_unknown")
            return None

    # Waiting.

    async def _unless_stopped(self, work: asyncio.Future[T]) -> T | None:
        """Await `work`, but no longer than until it is time to stop; then return None."""
        work.add_done_callback(lambda _: self._changed.set())
        await self._until(work.done)
        if work.done():
            return work.result()
        work.cancel()
        return None

    async def _wait_for(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait until it is so, or time to stop."""
        await self._wait_for(lambda: is_so() or self._is_stopping)

    async def _rest(self) -> None:
        """Pause between sweeps for the interval in force, which a reload may change meanwhile."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        interval = None
        while interval != self._options.interval and not self._is_stopping:
            interval = self._options.interval
            with suppress(TimeoutError):
                async with asyncio.timeout_at(began + interval.total_seconds()):
                    await self._until(partial(self._has_other_interval, interval))

    def _has_other_interval(self, interval: timedelta) -> bool:
        return self._options.interval != interval

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._until(lambda: False)


def _plan(limit: int, after: Hashable | None, planner: Planner) -> Page:
    return planner.plan(limit, after)


def _own_stacks() -> str:
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file)
        file.seek(0)
        return file.read().decode(errors="replace")
