"""The supervisor: plan sweep after sweep until stopped, then drain.

    sweep     from the longest unsynced item to the last stale one, page by page
    cycle     a part of a page, about ten seconds of the rate budget: see `coordinator`
    interval  the wait between two sweeps

Nothing blocks the event loop: planning and recording run in threads; everything else is quick.
Stopping does not wait for those threads. While the halt is on, only samples are prepared.

The number of shards and the settings may change at any time: see `Coordinator.resize` and
`reload`.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, assert_never

import msgspec
import structlog

from reconciler.errors import StoreRefused, StoreUnavailable, WorkersDying
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.coordinator import Coordinator
from reconciler.supervisor.options import Options
from reconciler.supervisor.reload import Reloader, RunConfig
from reconciler.supervisor.signals import SignalAction, handle_signals
from reconciler.supervisor.snapshot import SnapshotBuilder, SupervisorSnapshot, with_memory
from reconciler.supervisor.stacks import own_stacks
from reconciler.supervisor.stall_timeout import StallTimeout
from reconciler.supervisor.status import OrderLocation, Phase
from reconciler.supervisor.stop_state import StopState
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.supervisor.threads import run_in_daemon_thread
from reconciler.supervisor.work_gauges import (
    BacklogGauges,
    send_health_gauges,
    send_shadow_gauges,
)
from reconciler.telemetry.health import judge
from reconciler.telemetry.metric_catalog import begin_counters
from reconciler.telemetry.metrics import Counter, Metrics, Timer, count_lost_lines
from reconciler.telemetry.standard_error import is_reader_gone
from reconciler.workload import Backlog, Page, Planner, Workload

HALT_SAMPLE_SECONDS = 15.0
STORE_RETRY_SECONDS = 2.0
RECORD_SECONDS = 2.0
GAUGE_SECONDS = 10.0
PAUSE_CYCLE_SECONDS = 45.0
"""While the planner asks for a pause, an empty cycle is recorded this often, for `health`."""

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
            workload: The work to do.
            options: How to do it.
            metrics: Where the supervisor's metrics go; the workers open their own.
            set_up_worker: Returns what a shard's worker calls first, to set up its logging.
            on_progress: Called after each batch.
            reload: Reads the settings again, on HUP. Without it HUP changes nothing.
            open_control: Opens the control server, which answers commands while the supervisor
                runs. Without it no command is answered.
        """
        self._workload = workload
        self._metrics = metrics
        self._on_progress = on_progress
        self._stall_timeout = StallTimeout(options.stall_timeout if options.is_once else None)
        self._reloader = None if reload is None else Reloader(reload)
        self._open_control = open_control
        self._stop_state = StopState()
        self._is_ready = False
        self._obstacle: str | None = None
        """The last outage, or that a worker died: why no worker may get ready."""
        self._has_obstacle = asyncio.Event()
        self._may_sweep_at = 0.0
        self._fatal_error: BaseException | None = None
        self.summary = Summary()
        self._coordinator = Coordinator(
            workload,
            options,
            self.summary,
            metrics=metrics,
            set_up_worker=set_up_worker,
            stop_state=self._stop_state,
            listener=self,
        )
        self._snapshots = SnapshotBuilder(self._coordinator, self.summary, workload)
        self._backlog_gauges = BacklogGauges(metrics)

    @property
    def _options(self) -> Options:
        return self._coordinator.options

    @property
    def phase(self) -> Phase:
        """The state of the supervisor as a whole."""
        if self._stop_state.is_stopping:
            return Phase.DRAINING
        if not self._is_ready:
            return Phase.STARTING
        return Phase.HALTED if self._coordinator.halt.is_on else Phase.RUNNING

    @property
    def pids(self) -> dict[int, int | None]:
        """The workers' process ids by shard."""
        return self._coordinator.pool.pids

    async def run(self) -> Summary:
        """Run until finished or stopped by a signal; drain; return the summary.

        Raises:
            ConfigurationError: settings, schema or credentials cannot work.
            StoreUnavailable: the database did not answer at the start.
            SocketTaken: another supervisor has the control socket.
            WorkersDying: the workers kept dying.
        """
        asyncio.get_running_loop().set_exception_handler(self._on_bug)
        with handle_signals(self._on_signal):
            control = nullcontext() if self._open_control is None else self._open_control(self)
            async with control:
                await self._run_until_drained()
        if self._fatal_error is not None:
            raise self._fatal_error
        log.info(
            "supervisor.ended",
            ending=self.summary.ending.value,
            restarts=self.summary.restarts,
            killed=self.summary.killed_at_stop,
        )
        return self.summary

    async def _run_until_drained(self) -> None:
        opening = run_in_daemon_thread(self._open_planner)
        planner = await self._stop_state.result_unless_stopping(opening)
        if planner is None:
            return
        self._planner = planner
        self._coordinator.history.mark_known()
        log.info(
            "supervisor.started",
            shards=self._options.shards,
            once=self._options.is_once,
            mode=self._snapshots.mode.value,
        )
        tasks = [
            self._start_task(work)
            for work in (
                self._send_gauges(),
                self._watch_backlog(),
                self._coordinator.pool.watch(),
                self._give_up_without_worker(),
                self._watch_log(),
                self._reload_when_asked(),
                self._coordinator.reserve_nonces(lambda: self._planner),
            )
        ]
        writes = self._start_task(self._coordinator.write_in_background(lambda: self._planner))
        sharing = self._start_task(self._snapshots.sharing.run())
        try:
            pause = await self._call_planner(lambda planner: planner.read_pause())
            if pause is not None:
                self._coordinator.pauses.restore(pause)
            self._coordinator.resize(self._options)
            await self._plan_until_stopped()
            await self._drain()
            sharing.cancel()
            self._snapshots.sharing.end()
            await self._record_unfinished(writes)
        finally:
            self._coordinator.close()
            for task in (*tasks, sharing, writes):
                task.cancel()
            self._planner.close()

    async def _watch_log(self) -> None:
        """Stop if nothing reads the log any more: errors would stay unseen."""
        while True:
            if is_reader_gone():
                self.summary.fault = "standard error, where the log goes, is not read any more"
                self._request_stop(StopReason.LOG_GONE)
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
        """Stop if no worker gets ready in time because of an outage or a death.

        Otherwise a service manager would believe that we are running. Workers that only take
        longer, as on a busy machine, are waited for: a new start would not be faster.
        """
        if self._options.is_once:
            return
        await asyncio.sleep(self._options.start_timeout.total_seconds())
        if not self._is_ready and self._obstacle is None:
            log.warning(
                "supervisor.slow_start", seconds=self._options.start_timeout.total_seconds()
            )
        await self._has_obstacle.wait()
        if not self._is_ready:
            self.on_fatal_error(StoreUnavailable(self._obstacle))

    # What the control server reads.

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

    async def _plan_until_stopped(self) -> None:
        halt = self._coordinator.halt
        while not self._stop_state.is_stopping:
            await self._check_halt()
            if not halt.is_on:
                await self._sweep()
            if self._options.is_once:
                await self._stop_state.wait_unless_stopping(
                    lambda: not self._coordinator.cycles or halt.is_on
                )
                self._request_stop(StopReason.HALTED if halt.is_on else StopReason.COMPLETED)
            elif halt.is_on:
                await self._stop_state.sleep(HALT_SAMPLE_SECONDS)
            else:
                await self._wait_for_next_sweep()

    async def _sweep(self) -> None:
        """Plan and assign every item that is stale now; the last batches finish later."""
        after: Hashable | None = None
        while (page := await self._plan(after)) is not None:
            cycles = self._coordinator.cycles_in(page)
            for number, chunks in enumerate(cycles, start=1):
                is_last = page.next is None and number == len(cycles)
                cycle = self._coordinator.begin_cycle(chunks, ends_sweep=is_last)
                await self._stop_state.wait_unless_stopping(
                    partial(self._coordinator.may_begin_next, cycle)
                )
                if self._stop_state.is_stopping or self._coordinator.halt.is_on:
                    return
            after = page.next
            if after is None:
                return

    async def _check_halt(self) -> None:
        """Synchronize the halt with the database; try to release it with a sample."""
        halt = self._coordinator.halt
        if halt.is_recorded:
            version = halt.version
            recorded = await self._call_planner(lambda planner: planner.read_halt())
            if not self._stop_state.is_stopping:
                self._coordinator.sync_halt(recorded, version=version)
        else:
            await self._call_planner(partial(halt.record, halt.reason))
        if halt.may_be_sampled and (page := await self._plan(None)) is not None:
            sample = self._coordinator.begin_sample(page)
            await self._stop_state.wait_unless_stopping(lambda: sample.is_done)
            if not halt.is_on:
                await self._call_planner(partial(halt.record, None))

    async def _plan(self, after: Hashable | None) -> Page | None:
        """Read the page after the cursor `after`; None when stopping."""
        limit = self._options.page_items

        def plan(planner: Planner) -> Page:
            began = time.perf_counter()
            page = planner.plan(limit, after)
            self._metrics.timing(Timer.PLAN_DURATION, (time.perf_counter() - began) * 1000)
            return page

        page = await self._call_planner(plan)
        if page is not None:
            self._may_sweep_at = asyncio.get_running_loop().time() + page.pause_seconds
        return page

    async def _call_planner(self, function: Callable[[Planner], T]) -> T | None:
        """Call a function with the planner until the database answers; None when stopping."""
        own = self._snapshots.own
        while not self._stop_state.is_stopping:
            call = run_in_daemon_thread(function, self._planner)
            try:
                result = await self._stop_state.result_unless_stopping(call)
                own.store_refusal = own.store_away = None
            except (StoreUnavailable, StoreRefused) as error:
                if isinstance(error, StoreRefused):
                    if self._options.is_once:
                        raise
                    own.store_refusal = str(error)
                own.store_away = str(error)
                log.warning("supervisor.waits_for_store", reason=str(error))
                self.on_outage(StopReason.STORE_GONE, str(error), STORE_RETRY_SECONDS)
                self._coordinator.pause_assignment(STORE_RETRY_SECONDS)
            else:
                return result
            await self._stop_state.sleep(STORE_RETRY_SECONDS)
        return None

    # Changes while it runs.

    def scale(self, shards: int) -> None:
        """Change the number of shards; surplus workers finish what they have in flight."""
        if shards == self._options.shards or self._stop_state.is_stopping:
            return
        log.warning("supervisor.scaled", before=self._options.shards, shards=shards)
        self._coordinator.resize(replace(self._options, shards=shards))

    async def _reload_when_asked(self) -> None:
        """Use new settings whenever asked to, and replace the workers one by one.

        The shard count changes only if its setting did, because `scale` may have overridden it.
        """
        if self._reloader is None:
            return
        configured = self._options.shards
        while True:
            run_config, planner = await self._reloader.next()
            before, self._planner = self._planner, planner
            before.close()
            self._metrics.retarget(run_config.statsd)
            has_changed = run_config.options.shards != configured
            shards = run_config.options.shards if has_changed else self._options.shards
            configured = run_config.options.shards
            options = replace(run_config.options, shards=shards)
            self._coordinator.reconfigure(run_config.workload, options, run_config.set_up_worker)
            for shard in range(self._options.shards):
                await self._coordinator.replace_worker(shard)
            log.warning("supervisor.reloaded", shards=self._options.shards)

    async def _log_state(self) -> None:
        """Log the status, and the stacks of the supervisor's and the workers' threads."""
        status = await with_memory(self.snapshot().status)
        log.warning("supervisor.state", state=msgspec.to_builtins(status), stacks=own_stacks())
        self._coordinator.pool.log_stacks()

    # The coordinator's callbacks.

    def on_ready(self) -> None:
        """Record that a worker is ready."""
        self._is_ready = True

    def on_progress(self) -> None:
        """Show the summary, which has changed."""
        self._on_progress(self.summary)

    def on_notes(self, notes: object) -> None:
        """Pass on what a handler noted for the planner."""
        self._planner.take_notes(notes)

    def on_set_aside(self, items: int) -> None:
        """Count items that are put on hold here and not by a worker, unless nothing is written."""
        if not self._workload.is_dry_run:
            self._metrics.incr(Counter.ORDERS_HELD, items)

    def on_success(self) -> None:
        """Reset the stall timeout."""
        self._stall_timeout.record_success()

    def on_outage(self, stop_reason: StopReason, message: str, retry_after_seconds: float) -> None:
        """When running once, stop if the retry delay would exceed the stall timeout."""
        self._meet_obstacle(message)
        if self._stall_timeout.record_fault(retry_after_seconds):
            self.summary.fault = message
            self._request_stop(stop_reason)

    def on_death(self) -> None:
        """When running once, stop if workers die and nothing succeeds within the stall timeout."""
        self._metrics.incr(Counter.SUPERVISOR_RESTARTS)
        self._meet_obstacle(self._obstacle or "no worker got ready: see in the log how they died")
        if self._stall_timeout.record_fault():
            message = "the workers keep dying and no progress is being made; see the log above"
            self.on_fatal_error(WorkersDying(message))

    def _meet_obstacle(self, message: str) -> None:
        self._obstacle = message
        self._has_obstacle.set()

    def on_fatal_error(self, error: BaseException) -> None:
        """Stop because of an error that no retry can fix; `run` raises the first one."""
        self._fatal_error = self._fatal_error or error
        self._request_stop(StopReason.STOPPED)

    # Signals and the stop.

    def _on_signal(self, action: SignalAction) -> None:
        log.info("supervisor.signal_received", action=action.value)
        match action:
            case SignalAction.STOP | SignalAction.STOP_FAST:
                is_second = self._stop_state.is_stopping
                self._stop_state.is_fast_stop = is_second or action is SignalAction.STOP_FAST
                self._request_stop(StopReason.STOPPED)
            case SignalAction.GROW:
                self.scale(min(MAX_SHARDS, self._options.shards + 1))
            case SignalAction.SHRINK:
                self.scale(max(1, self._options.shards - 1))
            case SignalAction.RELOAD:
                if self._reloader is not None:
                    self._reloader.request()
            case SignalAction.REPORT:
                self._start_task(self._log_state())
            case _:
                assert_never(action)

    def _request_stop(self, reason: StopReason) -> None:
        if not self._stop_state.is_stopping:
            self.summary.ending = reason
        self._stop_state.stop()

    def _on_bug(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Stop on an exception in a callback of the loop, instead of hanging."""
        error = context.get("exception") or RuntimeError(context["message"])
        log.error("supervisor.bug", exc_info=error)
        self.on_fatal_error(error)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task; an exception in it stops the supervisor."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_end)
        return task

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.on_fatal_error(error)

    async def _drain(self) -> None:
        """Drain the workers; log it if some had to be killed, unless the stop is fast."""
        killed = await self._coordinator.drain()
        if killed and not self._stop_state.is_fast_stop:
            self.summary.killed_at_stop = killed
            log.error(
                "supervisor.drain_incomplete",
                killed=killed,
                drain_seconds=self._options.drain.total_seconds(),
            )

    async def _record_unfinished(self, writes: asyncio.Task[None]) -> None:
        """Record the interrupted cycles; wait up to `RECORD_SECONDS` until they are written."""
        self._coordinator.record_unfinished()
        await asyncio.wait([writes], timeout=RECORD_SECONDS)

    # Gauges.

    async def _send_gauges(self) -> None:
        """Send all gauges at each interval, also while the database does not answer."""
        while True:
            self._coordinator.record_so_far()
            begin_counters(self._metrics)
            self._coordinator.send_gauges()
            self._backlog_gauges.send()
            send_health_gauges(self._metrics, judge(self.snapshot().vitals))
            send_shadow_gauges(self._metrics, self._workload.shadow_figures)
            count_lost_lines(self._metrics)
            self._metrics.flush()
            await asyncio.sleep(GAUGE_SECONDS)

    async def _watch_backlog(self) -> None:
        """Measure the backlog at each interval."""
        history = self._coordinator.history
        await history.wait_until_known()
        while True:
            is_first_sync = history.last_hour.is_first_sync
            backlog = await self._measure_backlog()
            if backlog is not None:
                self._snapshots.record_backlog(backlog, is_first_sync=is_first_sync)
                self._backlog_gauges.record(backlog)
                self._backlog_gauges.send()
                self._metrics.flush()
            await asyncio.sleep(GAUGE_SECONDS)

    async def _measure_backlog(self) -> Backlog | None:
        """Measure the backlog; None if that fails, because no metric may stop the service."""
        try:
            return await run_in_daemon_thread(self._planner.measure_backlog)
        except (StoreUnavailable, StoreRefused):
            return None
        except Exception:
            log.exception("supervisor.backlog_unknown")
            return None

    async def _wait_for_next_sweep(self) -> None:
        """Wait for the interval between two sweeps, and as long as the planner asks for.

        A longer pause than the interval is logged, and counts as empty cycles: it is no outage.
        """
        await self._wait_for_interval()
        while not self._stop_state.is_stopping:
            seconds = self._may_sweep_at - asyncio.get_running_loop().time()
            if seconds <= 0:
                return
            log.info("supervisor.waits_for_planner", seconds=round(seconds, 1))
            self._coordinator.begin_cycle(())
            await self._stop_state.sleep(min(seconds, PAUSE_CYCLE_SECONDS))

    async def _wait_for_interval(self) -> None:
        """Wait for the interval between two sweeps, which a reload may change meanwhile."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        interval = None
        while interval != self._options.interval and not self._stop_state.is_stopping:
            interval = self._options.interval
            with suppress(TimeoutError):
                async with asyncio.timeout_at(began + interval.total_seconds()):
                    await self._stop_state.wait_unless_stopping(
                        partial(self._has_interval_changed, interval)
                    )

    def _has_interval_changed(self, interval: timedelta) -> bool:
        return self._options.interval != interval
