"""The parent process: plan sweep after sweep until stopped, then drain.

    sweep    from the longest unsynced item to the last stale one, page by page
    cycle    some of a page, about ten seconds of the rate budget: see `coordinator`
    rest     the pause between sweeps

One event loop, and nothing blocks it: planning and recording run in threads, the rest is short. A
stop waits for none of them. While the halt is on, only samples are looked at.

The number of shards and the settings may change at any time: see `Coordinator.resize` and
`reload`.
"""

import asyncio
import faulthandler
import tempfile
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, assert_never

import msgspec
import structlog

from reconciler.errors import StoreRefused, StoreUnavailable, WorkersDying
from reconciler.resilience.breaker_state import BreakerState
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.background_writes import BackgroundWrite, BackgroundWrites
from reconciler.supervisor.coordinator import Coordinator
from reconciler.supervisor.cycle import group_by_cost, sample_of, size_of
from reconciler.supervisor.options import Options
from reconciler.supervisor.process_memory import with_memory
from reconciler.supervisor.reload import Reloader, RunConfig
from reconciler.supervisor.shard_gauges import ShardGauges
from reconciler.supervisor.signals import SignalAction, listening
from reconciler.supervisor.snapshot import SnapshotBuilder, SupervisorSnapshot
from reconciler.supervisor.stall_timeout import StallTimeout
from reconciler.supervisor.status import OrderLocation, Phase
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.supervisor.threads import run_in_daemon_thread
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
        set_up_worker: Callable[[int], Callable[[], None]],
        on_progress: Callable[[Summary], None] = lambda _: None,
        reload: Callable[[], RunConfig] | None = None,
        open_control: Callable[["Supervisor"], AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            workload: What to do.
            options: How.
            metrics: Where the parent's metrics go; the workers open their own.
            set_up_worker: Returns what a shard's worker calls first, to set up its logging.
            on_progress: Called after each batch.
            reload: Reads the settings again, on HUP. Without it HUP changes nothing.
            open_control: Returns what answers commands while the supervisor runs. Without it
                nothing does.
        """
        self._workload = workload
        self._metrics = metrics
        self._shard_gauges = ShardGauges(metrics)
        self._on_progress = on_progress
        self._stall_timeout = StallTimeout(options.stall_timeout if options.is_once else None)
        self._writes = BackgroundWrites()
        self._reloader = None if reload is None else Reloader(reload)
        self._open_control = open_control
        self._changed = asyncio.Event()
        self._is_stopping = False
        self._is_fast_stop = False
        self._is_ready = False
        self._last_fault = "no worker got ready"
        self._failure: BaseException | None = None
        self.summary = Summary()
        self._coordinator = Coordinator(
            workload,
            options,
            self.summary,
            metrics=metrics,
            set_up_worker=set_up_worker,
            listener=self,
        )
        self._snapshots = SnapshotBuilder(self._coordinator, self.summary)

    @property
    def _options(self) -> Options:
        return self._coordinator.options

    @property
    def phase(self) -> Phase:
        """What it is doing."""
        if self._is_stopping:
            return Phase.DRAINING
        if not self._is_ready:
            return Phase.STARTING
        return Phase.RUNNING if self._coordinator.halt is None else Phase.HALTED

    @property
    def pids(self) -> dict[int, int | None]:
        """The workers' process ids by shard."""
        return self._coordinator.pool.pids

    async def run(self) -> Summary:
        """Run until finished, or until a signal says so; drain; return what was done.

        Raises:
            ConfigurationError: settings, schema or credentials cannot work.
            StoreUnavailable: the database did not answer at the start.
            SocketTaken: another supervisor has the control socket.
            WorkersDying: the workers kept dying.
        """
        asyncio.get_running_loop().set_exception_handler(self._on_bug)
        with listening(self._on_signal):
            control = nullcontext() if self._open_control is None else self._open_control(self)
            async with control:
                await self._begin_and_end()
        if self._failure is not None:
            raise self._failure
        log.info(
            "supervisor.ended",
            ending=self.summary.ending.value,
            restarts=self.summary.restarts,
            killed=self.summary.killed_at_stop,
        )
        return self.summary

    async def _begin_and_end(self) -> None:
        planner = await self._unless_stopped(run_in_daemon_thread(self._open_planner))
        if planner is None:
            return
        self._planner = planner
        self._coordinator.history.begin()
        log.info("supervisor.started", shards=self._options.shards, once=self._options.is_once)
        beside = [
            self._begin(work)
            for work in (
                self._send_gauges(),
                self._coordinator.pool.watch(),
                self._give_up_without_worker(),
                self._watch_log(),
                self._renew(),
            )
        ]
        writes = self._begin(self._writes.work(lambda: self._planner))
        try:
            pause = await self._ask(lambda planner: planner.read_pause())
            if pause is not None:
                self._coordinator.restore_pause(pause)
            self._coordinator.resize(self._options)
            await self._work()
            await self._drain()
            self._kill_the_rest()
            await self._record_the_rest(writes)
        finally:
            self._coordinator.pool.kill()
            for task in (*beside, writes):
                task.cancel()
            self._planner.close()
            self._shard_gauges.withdraw()

    async def _watch_log(self) -> None:
        """End when nobody will ever read the log: whatever went wrong, nobody would know."""
        while True:
            if is_reader_gone():
                self.summary.fault = "nobody reads standard error, where the log goes, any more"
                self._end(StopReason.LOG_GONE)
            await asyncio.sleep(LOG_SECONDS)

    def _open_planner(self) -> Planner:
        planner = self._workload.open_planner()
        try:
            self._coordinator.history.write(planner)
        except StoreUnavailable:
            planner.close()
            raise
        return planner

    async def _give_up_without_worker(self) -> None:
        """End if no worker gets ready: whoever starts us must not take us for running then."""
        if self._options.is_once:
            return
        await asyncio.sleep(self._options.start_timeout.total_seconds())
        if not self._is_ready:
            self.on_failure(StoreUnavailable(self._last_fault))

    # What commands ask.

    def snapshot(self) -> SupervisorSnapshot:
        """Return what the supervisor and its shards are doing at this moment."""
        return self._snapshots.build(self.phase)

    async def wait_for_history(self) -> None:
        """Wait until the database's record of the last hour has been read once."""
        await self._coordinator.history.wait_until_known()

    def locate(self, key: str, item_id: str) -> OrderLocation:
        """Return where an item is: queued, in flight or neither."""
        return self._snapshots.locate(key, item_id)

    # Planning.

    async def _work(self) -> None:
        while not self._is_stopping:
            if self._coordinator.halt is None:
                await self._look_for_halt()
            if self._coordinator.halt is not None:
                await self._test_halt()
            if self._coordinator.halt is None:
                await self._sweep()
            if self._options.is_once:
                await self._until(
                    lambda: not self._coordinator.cycles or self._coordinator.halt is not None
                )
                self._end(
                    StopReason.COMPLETED if self._coordinator.halt is None else StopReason.HALTED
                )
            elif self._coordinator.halt is not None:
                await self._pause(HALT_TEST_SECONDS)
            else:
                await self._rest()

    async def _sweep(self) -> None:
        """Work through all that is stale now; leave the last batches to finish on their own."""
        after: Hashable | None = None
        while (
            page := await self._ask(partial(_plan, self._options.page_items, after))
        ) is not None:
            groups = list(
                group_by_cost(self._coordinator.new_in(page), self._coordinator.cycle_cost)
            )
            if not page.chunks and self._coordinator.history.is_due:
                groups = [[]]  # That nothing is stale is a run too, and is recorded as one.
            for number, chunks in enumerate(groups, start=1):
                is_last = page.next is None and number == len(groups)
                cycle = self._coordinator.begin_cycle(chunks, ends_sweep=is_last)
                await self._until(partial(self._coordinator.may_go_on, cycle))
                if self._is_stopping or self._coordinator.halt is not None:
                    return
            after = page.next
            if after is None:
                return

    async def _look_for_halt(self) -> None:
        """Stop where another host has applied the halt: it counts for all."""
        reason = await self._ask(lambda planner: planner.read_halt())
        if reason is not None:
            self._coordinator.adopt_halt(reason)

    async def _test_halt(self) -> None:
        """Look at a sample, without writing; take the halt off if it is clean, or somebody did.

        What another host has seen while we saw nothing is not refuted by a sample of ours.
        """
        if not self._coordinator.is_halt_recorded:
            await self._ask(partial(self._coordinator.record_halt, self._coordinator.halt))
        elif await self._ask(lambda planner: planner.read_halt()) is None and not self._is_stopping:
            self._coordinator.release_halt("released by a person", is_recorded=True)
            return
        if self._coordinator.is_halt_of_others:
            return
        page = await self._ask(partial(_plan, self._options.page_items, None))
        if page is not None:
            chunks = self._coordinator.new_in(page)
            sample = sample_of(chunks, SAMPLE_ITEMS)
            is_whole = page.next is None and size_of(sample) == size_of(chunks)
            cycle = self._coordinator.begin_cycle(sample, is_sample=True, ends_sweep=is_whole)
            await self._until(lambda: cycle.is_done)
        if self._coordinator.halt is None:
            await self._ask(partial(self._coordinator.record_halt, None))

    async def _ask(self, question: Callable[[Planner], T]) -> T | None:
        """Ask the planner, however long the database is away; None when it is time to stop."""
        while not self._is_stopping:
            planner = self._planner
            try:
                answer = await self._unless_stopped(run_in_daemon_thread(question, planner))
                self._snapshots.store_refusal = self._snapshots.store_away = None
            except (StoreUnavailable, StoreRefused) as error:
                if isinstance(error, StoreRefused):
                    if self._options.is_once:
                        raise
                    self._snapshots.store_refusal = str(error)
                self._snapshots.store_away = str(error)
                log.warning("supervisor.waits_for_store", reason=str(error))
                self.on_fault(StopReason.STORE_GONE, str(error), STORE_RETRY_SECONDS)
                self._coordinator.wait_for_store(STORE_RETRY_SECONDS)
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
        self._coordinator.resize(replace(self._options, shards=shards))

    async def _renew(self) -> None:
        """Take new settings whenever asked to, and let one worker after another be born with them.

        The number of shards is set anew only if the setting has changed: it may have been scaled.
        """
        if self._reloader is None:
            return
        configured = self._options.shards
        while True:
            run_config, planner = await self._reloader.next()
            before, self._planner = self._planner, planner
            before.close()
            has_changed = run_config.options.shards != configured
            shards = run_config.options.shards if has_changed else self._options.shards
            configured = run_config.options.shards
            options = replace(run_config.options, shards=shards)
            self._coordinator.renew(run_config.workload, options, run_config.set_up_worker)
            self._changed.set()
            for shard in range(self._options.shards):
                await self._renew_worker(shard)
            log.warning("supervisor.reloaded", shards=self._options.shards)

    async def _renew_worker(self, shard: int) -> None:
        """Replace a shard's worker, and wait until the new one is there or it is not to be."""
        before = self._coordinator.pool.pids.get(shard)
        if shard >= self._options.shards or self._is_stopping:
            return
        self._coordinator.replace_worker(shard)
        await self._wait_for(
            lambda: (
                self._is_stopping
                or shard >= self._options.shards
                or self._coordinator.pool.is_renewed(shard, before)
            )
        )

    async def _report(self) -> None:
        """Write to the log what we are doing, and where each thread of ours and theirs is."""
        status = await with_memory(self.snapshot().status)
        log.warning("supervisor.state", state=msgspec.to_builtins(status), stacks=_own_stacks())
        self._coordinator.pool.log_stacks()

    # What the floor cannot settle by itself.

    def on_change(self) -> None:
        """Let whoever waits look again."""
        self._changed.set()

    def on_progress(self) -> None:
        """Show what has been done."""
        self._on_progress(self.summary)

    def on_breaker(self) -> None:
        """Send where the breakers stand."""
        self._shard_gauges.send(self._coordinator.breakers)
        self._metrics.flush()

    def on_success(self) -> None:
        """Take new patience."""
        self._stall_timeout.renew()

    def on_ready(self) -> None:
        """Take note that there is a worker to work."""
        self._is_ready = True

    def on_fault(self, ending: StopReason, reason: str, retry_after_seconds: float) -> None:
        """In a single sweep, end when the wait for something that is gone would be too long."""
        self._last_fault = reason
        if self._stall_timeout.is_over(retry_after_seconds):
            self.summary.fault = reason
            self._end(ending)

    def on_death(self) -> None:
        """In a single sweep, end when workers do nothing but die."""
        self._metrics.incr(Counter.SUPERVISOR_RESTARTS)
        if self._stall_timeout.is_over():
            reason = "the workers keep dying, and nothing goes forward: see why in the log above"
            self.on_failure(WorkersDying(reason))

    def on_failure(self, failure: BaseException) -> None:
        """End: nothing can go on."""
        self._failure = self._failure or failure
        self._end(StopReason.STOPPED)

    def write_in_background(self, write: BackgroundWrite) -> None:
        """Have something written that nobody waits for."""
        self._writes.add(write)

    # Ending.

    def _on_signal(self, action: SignalAction) -> None:
        log.info("supervisor.signal_received", action=action.value)
        match action:
            case SignalAction.STOP | SignalAction.STOP_FAST:
                self._is_fast_stop = action is SignalAction.STOP_FAST or self._is_stopping
                self._end(StopReason.STOPPED)
            case SignalAction.GROW:
                self.scale(min(MAX_SHARDS, self._options.shards + 1))
            case SignalAction.SHRINK:
                self.scale(max(1, self._options.shards - 1))
            case SignalAction.RELOAD:
                if self._reloader is not None:
                    self._reloader.request()
            case SignalAction.REPORT:
                self._begin(self._report())
            case _:
                assert_never(action)

    def _end(self, ending: StopReason) -> None:
        if not self._is_stopping:
            self.summary.ending = ending
        self._is_stopping = self._coordinator.is_closing = True
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
        self._is_stopping = self._coordinator.is_closing = True
        self._coordinator.drop_queued()
        self._coordinator.deny_waiting()
        self._coordinator.go_on()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain.total_seconds()):
                if self._coordinator.halt is None:
                    await self._wait_for(
                        lambda: not self._coordinator.pool.has_work or self._is_fast_stop
                    )
                self._coordinator.pool.stop_all()
                await self._wait_for(
                    lambda: not self._coordinator.pool.workers or self._is_fast_stop
                )

    def _kill_the_rest(self) -> None:
        """End the workers that have not ended in time, and say so unless haste was asked for."""
        killed = self._coordinator.pool.kill()
        if killed and not self._is_fast_stop:
            self.summary.killed_at_stop = killed
            log.error(
                "supervisor.drain_incomplete",
                killed=killed,
                drain_seconds=self._options.drain.total_seconds(),
            )

    async def _record_the_rest(self, writes: asyncio.Task[None]) -> None:
        """Record the cycles that are not yet, also those cut short, if the database lets us."""
        for cycle in self._coordinator.cycles.values():
            self._coordinator.record(cycle)
        self._coordinator.record_pause()
        self._writes.end()
        await asyncio.wait([writes], timeout=RECORD_SECONDS)

    # Gauges.

    async def _send_gauges(self) -> None:
        while True:
            self._coordinator.record_failures()
            if self._writes.is_idle:
                self.write_in_background(self._coordinator.history.write)
            backlog = await self._measure_backlog()
            if backlog is not None:
                self._snapshots.record_backlog(backlog)
                self._metrics.gauge(Gauge.STALE_BACKLOG, backlog.items)
                self._metrics.gauge(Gauge.STALE_OLDEST_AGE_SECONDS, backlog.oldest_age_seconds)
                self._metrics.gauge(Gauge.ORDERS_NOT_FOLLOWED, backlog.unfollowed_items)
                self._metrics.gauge(Gauge.ORDERS_DUPLICATES, backlog.duplicate_items)
                self._metrics.gauge(Gauge.HOLDS_OPEN, backlog.held_items or 0)
                oldest_hold = backlog.oldest_hold_age_seconds or 0
                self._metrics.gauge(Gauge.HOLDS_OLDEST_AGE_SECONDS, oldest_hold)
            self._shard_gauges.send(self._coordinator.breakers)
            self._metrics.gauge(
                Gauge.BREAKERS_OPEN, self._coordinator.breakers_in(BreakerState.OPEN)
            )
            self._metrics.gauge(Gauge.SHARDS_DESIRED, self._options.shards)
            self._metrics.gauge(Gauge.SHARDS_RUNNING, len(self._coordinator.pool.workers))
            self._metrics.gauge(Gauge.SHARDS_PARKED, len(self._coordinator.pool.parked))
            count_lost_lines(self._metrics)
            self._metrics.flush()
            await asyncio.sleep(GAUGE_SECONDS)

    async def _measure_backlog(self) -> Backlog | None:
        """Measure; None where that fails: no failure of a metric may end the service."""
        try:
            return await run_in_daemon_thread(self._planner.backlog)
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
