"""Cycles of chunks, from the queue to the record: assign, judge, commit, count, requeue.

Workers prepare all of a cycle before any of it is committed, so that a cycle that is suspicious as
a whole is stopped as a whole: see `halt`.

A `WorkerFault` (the database is unavailable, the breaker is open) pauses the worker that reports
it. The chunks that it could not finish are queued again, and the orders are not to blame. The
batches that a worker had in flight when it died are assigned next, even before its shard has a new
worker.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import assert_never

import structlog

from reconciler.errors import (
    ConfigurationError,
    OtherRelease,
    Problem,
    WorkersDying,
)
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.rate_limits import RateLimits
from reconciler.supervisor.background_writes import BackgroundWrites
from reconciler.supervisor.budget import BudgetReply, RateLimitPauses, SharedBudget
from reconciler.supervisor.coordinator_listener import CoordinatorListener
from reconciler.supervisor.cycle import (
    BatchStage,
    OpenCycle,
    Planned,
    cost_of,
    group_by_cost,
    size_of,
)
from reconciler.supervisor.cycle_history import CycleHistory
from reconciler.supervisor.dispatcher import Dispatcher, Eligibility
from reconciler.supervisor.halt import CycleVerdict, Halt, sample_of
from reconciler.supervisor.nonces import SharedNonces
from reconciler.supervisor.options import Options
from reconciler.supervisor.poison import PoisonDetector
from reconciler.supervisor.pool import WorkerDied, WorkerPool
from reconciler.supervisor.restarts import RestartBackoffs
from reconciler.supervisor.shard_gauges import ShardFigures, ShardGauges
from reconciler.supervisor.shard_health import ShardHealth
from reconciler.supervisor.stop_state import StopState
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.supervisor.work_gauges import send_limit_gauges
from reconciler.telemetry.metrics import Counter, Gauge, Metrics, Timer
from reconciler.worker.messages import (
    BatchDone,
    BatchPrepared,
    BatchReturned,
    BudgetDenial,
    BudgetGrant,
    BudgetRequest,
    FromWorker,
    Heartbeat,
    LimitRead,
    Misconfigured,
    NonceDenial,
    NonceGrant,
    NonceRequest,
    ProbeEnded,
    RateLimitPause,
    Ready,
    StoreUnreachable,
    TurnEnded,
)
from reconciler.worker.release import own_release
from reconciler.workload import (
    NO_LIMIT,
    Batch,
    Chunk,
    Counts,
    FaultKind,
    Page,
    Planner,
    Result,
    WorkerFault,
    Workload,
)

CYCLE_SECONDS = 10.0
"""The rate budget for one cycle is refilled in this time: pages are cut accordingly."""

VERDICT_TIMEOUT_SECONDS = 20.0
"""After this time a cycle is judged by its prepared batches, so a slow worker cannot delay it."""

TIMER_SLACK_SECONDS = 0.01
"""Added to a delay, because a timer may fire early by the clock's rounding."""

OTHER_SHARD_SECONDS = 0.5
"""How long a crashed batch waits for another shard: only a crash there shows what is to blame."""

log = structlog.get_logger(__name__)


class Coordinator:
    """Workers, queues and open cycles of one host. All methods are called on the event loop."""

    def __init__(
        self,
        workload: Workload,
        options: Options,
        summary: Summary,
        *,
        metrics: Metrics,
        set_up_worker: Callable[[int], Callable[[], None]],
        stop_state: StopState,
        listener: CoordinatorListener,
    ) -> None:
        self.writes = BackgroundWrites()
        self._nonce_writes = BackgroundWrites()
        self.options = options
        self.pool = WorkerPool(
            workload,
            hang_after=options.hang_after,
            set_up_worker=set_up_worker,
            stop_state=stop_state,
            listener=self,
        )
        self.dispatcher = Dispatcher(options.shards, batch_size=options.batch_size)
        self.cycles: dict[int, OpenCycle] = {}
        self.history = CycleHistory()
        self.halt = Halt(options.halt, write_in_background=self.writes.add, on_change=self._on_halt)
        self.rate_limits = RateLimits(workload.limits, options.rate_share)
        self._usual_cost = workload.usual_cost
        self.backoffs = RestartBackoffs(options.restarts)
        self._budget = SharedBudget(self.rate_limits)
        self.pauses = RateLimitPauses(
            self._budget, write_in_background=self.writes.add, on_long_pause=self._on_long_pause
        )
        self._nonces = SharedNonces(
            write_in_background=self._nonce_writes.add, waits_for_budget=self._budget.is_waiting
        )
        self.planned = Planned()
        self._poison = PoisonDetector()
        self._shard_health = {shard: ShardHealth() for shard in range(options.shards)}
        self._other_shard_until = 0.0
        self._assignment_paused_until = 0.0
        self._summary = summary
        self._metrics = metrics
        self._gauges = ShardGauges(metrics)
        self._stop_state = stop_state
        self._listener = listener

    @property
    def shard_health(self) -> dict[int, ShardHealth]:
        """The health of each wanted shard."""
        return {shard: self.health_of(shard) for shard in range(self.options.shards)}

    def health_of(self, shard: int) -> ShardHealth:
        """Return the health of the shard, which outlives its workers."""
        return self._shard_health.setdefault(shard, ShardHealth())

    def breaker_of(self, shard: int) -> BreakerSnapshot | None:
        """Return the state of the shard's circuit breaker now; None before the first report."""
        return self.health_of(shard).breaker

    def breakers_in(self, state: BreakerState) -> int:
        """Count the wanted shards whose circuit breakers are in a state."""
        known = (health.breaker for health in self.shard_health.values())
        return sum(breaker is not None and breaker.state is state for breaker in known)

    @property
    def weight_per_minute(self) -> float | None:
        """The weight that this host may use a minute; None without a limit."""
        return self.rate_limits.weight_per_minute(self._usual_cost)

    # Shards and workers.

    def resize(self, options: Options) -> None:
        """Use these options from now on; resize the pool to `options.shards`."""
        self.options = options
        self.halt.policy = options.halt
        self.dispatcher.batch_size = options.batch_size
        # Before the pool grows: a shard whose slot is gone begins again without its old deaths.
        self.backoffs.keep_only(self.pool.slots)
        self.pool.resize(options.shards)
        self._rebalance()
        for shard in self.pool.draining:
            self._set_drain_deadline(shard)
        self.advance()

    def reconfigure(
        self,
        workload: Workload,
        options: Options,
        set_up_worker: Callable[[int], Callable[[], None]],
    ) -> None:
        """Use new settings from now on. Running workers keep the settings they started with."""
        self.rate_limits.resize(workload.limits, options.rate_share)
        self._usual_cost = workload.usual_cost
        self.backoffs.set_policy(options.restarts)
        self.pool.reconfigure(workload, hang_after=options.hang_after, set_up_worker=set_up_worker)
        self.resize(options)

    async def replace_worker(self, shard: int) -> None:
        """Drain a shard's worker, start another in its place, and wait until the new one is ready.

        Returns early if the shard is parked or no longer wanted, or if the supervisor is stopping.
        """
        if shard >= self.options.shards or self._stop_state.is_stopping:
            return
        before = self.pool.pids.get(shard)
        self.pool.drain(shard)
        self._set_drain_deadline(shard)
        self.advance()
        await self._stop_state.wait_unless_stopping(
            lambda: shard >= self.options.shards or self.pool.is_replaced(shard, before)
        )

    def _rebalance(self) -> None:
        """Share the work among the wanted shards that are not parked; stop if all are parked."""
        if len(self.pool.parked) == self.options.shards:
            reason = "every shard is parked: the workers keep dying and no progress is being made"
            self._listener.on_fatal_error(WorkersDying(reason))
            return
        self.dispatcher.rebalance(self.options.shards, parked=self.pool.parked)

    def _set_drain_deadline(self, shard: int) -> None:
        """Kill a draining worker if it has not ended in time; other workers take over its batches.

        Requests that would wait for the rate budget are denied: the other workers need it.
        """
        pid = self.pool.pids.get(shard)
        if pid is not None:
            self._budget.stop_waiting(shard)
            self._nonces.stop_waiting(shard)
            seconds = self.options.drain.total_seconds()
            asyncio.get_running_loop().call_later(seconds, self._kill_if_still_draining, shard, pid)

    def _kill_if_still_draining(self, shard: int, pid: int) -> None:
        if shard in self.pool.draining:
            self.pool.kill(pid)

    async def drain(self) -> int:
        """Wait until all workers have finished and ended; kill those left after `options.drain`.

        Returns the number of workers killed.
        """
        self._drop_queued()
        self._budget.close()
        self._nonces.close()
        self.advance()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.options.drain.total_seconds()):
                if not self.halt.is_on:
                    await self._wait_in_drain(lambda: not self.pool.has_work)
                self.pool.stop_all()
                await self._wait_in_drain(lambda: not self.pool.workers)
        return self.pool.kill_all()

    async def _wait_in_drain(self, condition: Callable[[], bool]) -> None:
        await self._stop_state.wait_for(lambda: condition() or self._stop_state.is_fast_stop)

    def close(self) -> None:
        """Kill the workers that are left, and withdraw the gauges."""
        self._stop_state.stop()
        self.pool.kill_all()
        self._gauges.withdraw()

    # Cycles, from page to verdict.

    def cycles_in(self, page: Page) -> list[list[Chunk]]:
        """Cut a page into cycles of about ten seconds of the rate budget each.

        Items that are still queued or in flight from an earlier sweep are left out.
        """
        if not page.chunks and self.history.is_due:
            return [[]]  # A sweep that finds nothing stale is recorded as well.
        if page.chunks:
            self.planned = Planned(size_of(page.chunks), cost_of(page.chunks))
        affordable = self.weight_per_minute
        most = NO_LIMIT if affordable is None else round(affordable * CYCLE_SECONDS / 60)
        return list(group_by_cost(self._new_in(page), most))

    def begin_cycle(
        self, chunks: Sequence[Chunk], *, is_sample: bool = False, ends_sweep: bool = False
    ) -> OpenCycle:
        """Queue chunks as one cycle, and begin to assign them."""
        number = self._summary.cycles
        self._summary.cycles += 1
        cycle = OpenCycle(
            number,
            size_of(chunks),
            keys=(chunk.key for chunk in chunks),
            is_sample=is_sample,
            ends_sweep=ends_sweep,
        )
        self.cycles[number] = cycle
        self.dispatcher.add(chunks, number)
        asyncio.get_running_loop().call_later(VERDICT_TIMEOUT_SECONDS, self.advance)
        self._close_if_done(cycle)
        self.advance()
        return cycle

    def begin_sample(self, page: Page) -> OpenCycle:
        """Begin a cycle that is judged but never written. A clean one releases the halt."""
        chunks = self._new_in(page)
        sample = sample_of(chunks)
        is_whole = page.next is None and size_of(sample) == size_of(chunks)
        return self.begin_cycle(sample, is_sample=True, ends_sweep=is_whole)

    def may_begin_next(self, cycle: OpenCycle) -> bool:
        """Return True once the next cycle may begin: this one is prepared as far as it can be."""
        if self.halt.is_on:
            return True
        if self.dispatcher.queued_items() >= self.options.page_items:
            return False  # The queues of shards with a fault would only grow.
        queued = self.dispatcher.queued_items(but=self._backing_off())
        is_prepared = queued == 0 and not cycle.is_preparing
        return is_prepared or cycle.age_seconds >= VERDICT_TIMEOUT_SECONDS

    def _new_in(self, page: Page) -> list[Chunk]:
        """Return the page's chunks without the items still under way from an earlier sweep."""
        under_way = self.dispatcher.ids_under_way()
        return [rest for chunk in page.chunks if (rest := _without(chunk, under_way)).items]

    def advance(self) -> None:
        """Take every possible step: assign, stop drained workers, judge; then notify."""
        if not self._stop_state.is_stopping:
            self._assign_to_available()
        for shard in self.pool.draining:
            if not self.dispatcher.in_flight(shard):
                self.pool.stop(shard)
        for cycle in list(self.cycles.values()):
            if self._is_to_be_judged(cycle):
                self._judge(cycle)
        self._stop_state.notify()

    def _assign_to_available(self) -> None:
        """Assign batches, first to shards with queued work: the others may take over the rest."""
        blocked = self._backing_off()
        available = sorted(
            self.pool.available, key=lambda shard: not self.dispatcher.queued_for(shard)
        )
        for shard in available:
            if shard not in blocked and shard in self.dispatcher.serving:
                self._assign_batch(shard, blocked)

    def _assign_batch(self, shard: int, blocked: Collection[int]) -> None:
        is_recent_crash = time.monotonic() < self._other_shard_until
        eligibility = Eligibility(
            blocked_shards=blocked,
            may_take_suspects=self.pool.is_idle_now(shard),
            skips_own_crashes=is_recent_crash and self._has_others(shard),
            cycles=self.pool.allowed_cycles(shard),
        )
        batch = self.dispatcher.next_batch(shard, eligibility)
        if batch is not None:
            self.cycles[batch.cycle].begin_batch(batch)
            self.pool.assign(shard, batch)

    def _has_others(self, shard: int) -> bool:
        """Return True if another shard could do this shard's work now."""
        blocked = self._backing_off()
        return any(other != shard and other not in blocked for other in self.dispatcher.serving)

    def _is_to_be_judged(self, cycle: OpenCycle) -> bool:
        is_overdue = cycle.age_seconds >= VERDICT_TIMEOUT_SECONDS
        if not cycle.is_preparing or is_overdue:
            return True
        return self.halt.is_certain(cycle.stats, items=cycle.items)

    def _judge(self, cycle: OpenCycle) -> None:
        """Judge the prepared batches of a cycle; have the workers commit or forget them."""
        prepared = cycle.take_prepared()
        if not prepared:
            return
        verdict = self.halt.judge(cycle.stats, is_sample=cycle.is_sample, is_whole=cycle.is_whole)
        if verdict is CycleVerdict.HALT:
            self._drop_queued()
        for shard, batches in prepared.items():
            self.pool.commit(shard, batches, may_write=verdict is CycleVerdict.COMMIT)

    # The halt.

    def sync_halt(self, recorded: str | None, *, version: int) -> None:
        """Follow the database, as in `Halt.sync`."""
        self.halt.sync(recorded, version=version, is_at_start=self._summary.cycles == 0)
        if self.halt.is_on:
            self._drop_queued()

    def _on_halt(self, reason: str | None) -> None:
        self._summary.fault = reason

    def _drop_queued(self) -> None:
        """Forget the queued chunks, which stay stale. Batches in flight go on."""
        for number, items in self.dispatcher.drop_queued().items():
            self._count(self.cycles[number], Counts(), finished_items=items)

    # Messages from the workers.

    def on_message(self, shard: int, message: FromWorker) -> None:  # noqa: C901, PLR0912 - a flat table
        """Act on a worker's message."""
        match message:
            case Ready():
                self._listener.on_ready()
            case Heartbeat():
                pass
            case BatchPrepared(batch=number, stats=stats):
                cycle = self.cycles[self.dispatcher.cycle_of(shard, number)]
                cycle.end_preparation(number, shard, stats)
                self._poison.record_survival(BatchStage.PREPARING)
            case BatchDone(batch=number, result=result):
                self._record_result(shard, number, result)
            case BatchReturned(batch=number):
                self._requeue_returned(shard, number)
            case BudgetRequest(number=number, cost=cost):
                self._budget.request(shard, cost, partial(self._reply, shard, number))
            case NonceRequest(number=number):
                self._nonces.request(shard, number, partial(self._reply_nonce, shard, number))
            case TurnEnded(number=number, is_refused=is_refused):
                self._nonces.end_turn(shard, number, is_refused=is_refused)
            case ProbeEnded(is_alive=is_alive):
                self._budget.end_probe(shard, is_alive=is_alive)
            case RateLimitPause(seconds=seconds):
                self.pauses.begin(seconds)
            case LimitRead(reading=reading):
                self._budget.observe(reading)
            case StoreUnreachable(reason=reason, retry_seconds=seconds):
                self._listener.on_outage(StopReason.STORE_GONE, reason, seconds)
            case Misconfigured(problems=problems):
                self._listener.on_fatal_error(ConfigurationError(problems))
            case _:
                assert_never(message)
        self.advance()

    def may_serve(self, shard: int, ready: Ready) -> bool:
        """Return True if a worker runs the same release as we do; stop if it runs another."""
        own, other = own_release(), getattr(ready, "release", None)
        if other == own:
            return True
        log.critical("worker.other_release", shard=shard, own=str(own), other=str(other))
        self._listener.on_fatal_error(OtherRelease(own=str(own), other=str(other)))
        return False

    def _reply(self, shard: int, number: int, reply: BudgetReply) -> None:
        """Send a worker the reply to its request for weight."""
        if reply is BudgetReply.DENIED:
            self.pool.send(shard, BudgetDenial(number))
        else:
            self.pool.send(
                shard, BudgetGrant(number, is_probe=reply is BudgetReply.GRANTED_AS_PROBE)
            )

    def _reply_nonce(self, shard: int, number: int, nonce: int | None) -> None:
        """Send a worker its turn, or that there is none."""
        message = NonceDenial(number) if nonce is None else NonceGrant(number, nonce)
        self.pool.send(shard, message)

    def _requeue_returned(self, shard: int, number: int) -> None:
        """Requeue a batch that a worker returned unprepared because it is shutting down."""
        batch = self.dispatcher.done(shard, number)
        self.cycles[batch.cycle].forget_batch(number)
        self.dispatcher.requeue_front(shard, batch.chunks, batch.cycle)

    # Deaths and ends of workers.

    def on_worker_died(self, died: WorkerDied) -> None:
        """Requeue the batches of a dead worker, then restart or park its shard.

        If a batch is to blame, the shard's next worker starts at once, and the death does not count
        against the shard.
        """
        is_worker_to_blame = self._requeue_after_crash(died)
        self._other_shard_until = time.monotonic() + OTHER_SHARD_SECONDS
        asyncio.get_running_loop().call_later(1.1 * OTHER_SHARD_SECONDS, self.advance)
        if not self._stop_state.is_stopping:
            self._summary.restarts += 1
            self._listener.on_death()
        self.advance()
        if is_worker_to_blame and died.shard < self.options.shards:
            self._restart_or_park(died.shard)
        else:
            self.pool.restart(died.shard)

    def _requeue_after_crash(self, died: WorkerDied) -> bool:
        """Requeue a dead worker's chunks before all others; put poisoned ones on hold.

        Returns True if the worker itself is to blame, and no batch that it was working at.
        """
        is_worker_to_blame = True
        for batch in self._take_from(died.shard):
            stage = self.cycles[batch.cycle].forget_batch(batch.number)
            if batch.number not in died.batches:
                self.dispatcher.requeue_urgent(batch.chunks, batch.cycle)
                continue
            verdict = self._poison.on_crash(
                batch.chunks,
                shard=died.shard,
                stage=stage,
                is_alone=len(died.batches) == 1,
                has_others=self._has_others(died.shard),
                is_all=not self.dispatcher.ids_under_way(),
            )
            is_worker_to_blame = is_worker_to_blame and verdict.is_worker_to_blame
            self.dispatcher.requeue_urgent(verdict.again, batch.cycle)
            self._hold_poisoned(verdict.poisoned, batch.cycle)
        return is_worker_to_blame

    def _restart_or_park(self, shard: int) -> None:
        """Restart or park a shard, as its backoff decides. Others get a parked shard's buckets."""
        if self._stop_state.is_stopping:
            return
        backoff = self.backoffs.of(shard)
        decision = backoff.record_death()
        if not decision.is_parked:
            self.pool.restart(shard, delay=decision.delay)
            return
        log.critical(
            "shard.parked",
            shard=shard,
            deaths=backoff.recent,
            retry_seconds=round(decision.delay.total_seconds()),
        )
        self.pool.park(shard, retry_after=decision.delay)
        self._rebalance()
        self.advance()

    def on_worker_back(self, shard: int) -> None:
        """Give a formerly parked shard its buckets back."""
        log.warning("shard.resumed", shard=shard)
        self._rebalance()
        self.advance()

    def on_worker_stopped(self, shard: int) -> None:
        """Requeue the batches that a stopped worker could not finish in time."""
        for batch in self._take_from(shard):
            self.cycles[batch.cycle].forget_batch(batch.number)
            self.dispatcher.requeue_urgent(batch.chunks, batch.cycle)
        self.advance()
        if shard >= self.options.shards:
            self._send_shard_gauges()

    def on_worker_hung(self, shard: int) -> None:  # noqa: ARG002 - the protocol's
        """Count the hang; the death that follows is handled like any other."""
        self._summary.killed_hung += 1
        self._metrics.incr(Counter.SUPERVISOR_KILLED_HUNG)

    def _take_from(self, shard: int) -> list[Batch]:
        """Take back all batches of a worker that has ended, and its requests for weight."""
        self._budget.withdraw(shard)
        self._nonces.withdraw(shard)
        batches = list(self.dispatcher.in_flight(shard))
        for batch in batches:
            self.dispatcher.done(shard, batch.number)
        return batches

    def _hold_poisoned(self, chunks: Sequence[Chunk], number: int) -> None:
        """Put the items of poisoned chunks, which have crashed several workers, on hold."""
        for chunk in chunks:
            log.error("order.crashes_workers", key=chunk.key, items=len(chunk.items))
            self._summary.set_aside += len(chunk.items)
            self._listener.on_set_aside(len(chunk.items))
            self.writes.add(partial(_write_hold, chunk))
            counts = Counts(scanned=len(chunk.items), held=len(chunk.items))
            self._count(self.cycles[number], counts, finished_items=len(chunk.items))

    # Results of the batches.

    def _record_result(self, shard: int, number: int, result: Result) -> None:
        batch = self.dispatcher.done(shard, number)
        cycle = self.cycles[batch.cycle]
        self._poison.record_survival(BatchStage.COMMITTING)
        health = self.health_of(shard)
        before = health.breaker
        health.record_breaker(result.breaker)
        if before is None or before.state is not result.breaker.state:
            self._send_shard_gauges()
        second_try = [chunk for chunk in result.skipped if not chunk.is_second_try]
        self.dispatcher.requeue_back(shard, second_try, batch.cycle)
        self.dispatcher.requeue_front(shard, result.unfinished, batch.cycle)
        coming_back = size_of((*second_try, *result.unfinished))
        if result.notes is not None:
            self._listener.on_notes(result.notes)
        self._summary.not_asked += result.not_asked
        self._summary.unchanged += result.unchanged
        if result.fault is not None:
            self._record_fault(shard, result.fault)
        elif result.counts.scanned > result.counts.errors:
            health.record_success()
        health.finished.add(batch.size - coming_back)
        self._count(cycle, result.counts, finished_items=batch.size - coming_back)
        if result.halted is not None:
            self.sync_halt(result.halted, version=self.halt.version)

    def _count(self, cycle: OpenCycle, counts: Counts, *, finished_items: int) -> None:
        cycle.count(counts, finished_items=finished_items)
        self._summary.counts.add(counts)
        if counts.scanned > counts.errors:
            self._listener.on_success()
        self._close_if_done(cycle)
        self._listener.on_progress()

    # Faults.

    def _record_fault(self, shard: int, fault: WorkerFault) -> None:
        log.warning(
            "worker.in_trouble",
            shard=shard,
            kind=fault.kind,
            reason=fault.message,
            retry_seconds=round(fault.retry_after_seconds, 1),
        )
        is_store_fault = fault.kind.is_store_fault
        stop_reason = StopReason.STORE_GONE if is_store_fault else StopReason.EXCHANGE_GONE
        if is_store_fault:
            self.pause_assignment(fault.retry_after_seconds)
        if fault.kind.needs_person and self.options.is_once:
            self._listener.on_fatal_error(_configuration_error(fault))
        self.health_of(shard).record_fault(fault)
        asyncio.get_running_loop().call_later(fault.retry_after_seconds, self.advance)
        self._listener.on_outage(stop_reason, fault.message, fault.retry_after_seconds)

    def pause_assignment(self, seconds: float) -> None:
        """Assign nothing for `seconds`, because prepared batches could not be written."""
        self._assignment_paused_until = max(
            self._assignment_paused_until, time.monotonic() + seconds
        )
        asyncio.get_running_loop().call_later(seconds + TIMER_SLACK_SECONDS, self.advance)

    def _on_long_pause(self, reason: str, seconds: float) -> None:
        self._listener.on_outage(StopReason.EXCHANGE_GONE, reason, seconds)

    def _backing_off(self) -> set[int]:
        """Return the shards that are assigned nothing now because of a fault."""
        if time.monotonic() < self._assignment_paused_until:
            return set(self._shard_health) | set(range(self.options.shards))
        shard_health = self._shard_health.items()
        return {shard for shard, health in shard_health if health.backing_off_seconds}

    # Records and gauges.

    def _close_if_done(self, cycle: OpenCycle) -> None:
        if cycle.is_done and cycle.number in self.cycles:
            del self.cycles[cycle.number]
            self._record(cycle)

    async def write_in_background(self, planner: Callable[[], Planner]) -> None:
        """Run the background writes with the current planner until the last records are written."""
        await self.writes.work(planner)

    async def reserve_nonces(self, planner: Callable[[], Planner]) -> None:
        """Run the reservations of nonces, which wait for no other write, until cancelled."""
        await self._nonce_writes.work(planner)

    def record_so_far(self) -> None:
        """Record the failures of cycles that cannot finish yet; retry unwritten records."""
        for cycle in self.cycles.values():
            part = cycle.finish_part()
            if part is not None:
                self.history.add(part)
                self._metrics.gauge(Gauge.CYCLE_LAST_RUN_TIMESTAMP, part.finished_at.timestamp())
        if self.writes.has_room:
            self.writes.add(self.history.write)

    def _record(self, cycle: OpenCycle) -> None:
        """Record a finished cycle, or the finished part of an interrupted one."""
        record = cycle.finish()
        self.history.add(record)
        self._metrics.timing(Timer.CYCLE_DURATION, record.duration_ms)
        self._metrics.gauge(Gauge.CYCLE_LAST_DURATION_MS, record.duration_ms)
        self._metrics.gauge(Gauge.CYCLE_LAST_RUN_TIMESTAMP, record.finished_at.timestamp())
        self._metrics.flush()
        self.writes.add(self.history.write)

    def record_unfinished(self) -> None:
        """Record the interrupted cycles and the rate-limit pause in force, then no more."""
        for cycle in self.cycles.values():
            self._record(cycle)
        self.pauses.persist()
        self.writes.end()

    def send_gauges(self) -> None:
        """Send the gauges of shards, workers and breakers, and of what limits the work."""
        self._send_shard_gauges()
        self._metrics.gauge(Gauge.SHARDS_DESIRED, self.options.shards)
        self._metrics.gauge(Gauge.SHARDS_RUNNING, len(self.pool.workers))
        self._metrics.gauge(Gauge.SHARDS_PARKED, len(self.pool.parked))
        send_limit_gauges(
            self._metrics,
            self.rate_limits,
            is_halted=self.halt.is_on,
            parked_accounts=int(self._is_account_refused),
        )

    @property
    def _is_account_refused(self) -> bool:
        """True if a person must act before the account's key is used again."""
        causes = (health.cause for health in self.shard_health.values())
        kinds = {cause.kind for cause in causes if cause is not None}
        return not kinds.isdisjoint({FaultKind.REFUSED, FaultKind.ACCOUNT})

    def _send_shard_gauges(self) -> None:
        self._gauges.send(self._shard_figures)
        self._metrics.gauge(Gauge.BREAKERS_OPEN, self.breakers_in(BreakerState.OPEN))
        self._metrics.flush()

    @property
    def _shard_figures(self) -> dict[int, ShardFigures]:
        """The figures of each wanted or running shard; its breaker is closed before any report."""
        shards = [
            shard
            for shard, slot in self.pool.slots.items()
            if shard < self.options.shards or slot.worker is not None
        ]
        return {shard: self._figures_of(shard) for shard in shards}

    def _figures_of(self, shard: int) -> ShardFigures:
        breaker = self.breaker_of(shard)
        return ShardFigures(
            breaker=BreakerState.CLOSED if breaker is None else breaker.state,
            queued=self.dispatcher.queued_for(shard),
            in_flight=sum(batch.size for batch in self.dispatcher.in_flight(shard)),
        )


def _without(chunk: Chunk, ids: set[object]) -> Chunk:
    if ids.isdisjoint(chunk.ids):
        return chunk
    return replace(chunk, items=tuple(item for item in chunk.items if item.id not in ids))


def _configuration_error(fault: WorkerFault) -> ConfigurationError:
    problem = Problem(what=fault.message, hint="see the worker's lines in the log above")
    return ConfigurationError(fault.problems or (problem,))


def _write_hold(chunk: Chunk, planner: Planner) -> None:
    planner.set_aside(chunk)
