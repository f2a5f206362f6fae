"""The floor where the work is done: runs are handed out, looked at, judged, written, counted.

Workers look at all of a cycle before any of it is written, so that a cycle that is odd as a whole
is stopped as a whole: see `halt`.

A worker's trouble (database gone, breaker open) pauses that worker; what it could not do is queued
again, and nothing is held against the orders. What a worker had in hand when it died is the next to
be handed out, before its replacement has even started.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, assert_never

import structlog

from reconciler.errors import (
    ConfigurationError,
    OtherRelease,
    Problem,
    ReconcilerError,
    WorkersDying,
)
from reconciler.resilience.breaker_state import BreakerSnapshot, BreakerState
from reconciler.resilience.budget import WINDOW_SECONDS, WeightWindow
from reconciler.supervisor.background_writes import BackgroundWrite
from reconciler.supervisor.budget import Reply, SharedBudget
from reconciler.supervisor.cycle import OpenCycle, Stage, size_of
from reconciler.supervisor.cycle_history import History
from reconciler.supervisor.dispatcher import Dispatcher
from reconciler.supervisor.halt import describe, is_anomaly, is_clean
from reconciler.supervisor.options import Options
from reconciler.supervisor.poison import PoisonDetector
from reconciler.supervisor.pool import WorkerPool
from reconciler.supervisor.shard_health import ShardHealth
from reconciler.supervisor.summary import StopReason, Summary
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
    Misconfigured,
    ProbeEnded,
    RateLimitPause,
    Ready,
    StoreUnreachable,
    WeightUsed,
)
from reconciler.worker.release import own_release
from reconciler.workload import (
    Batch,
    Chunk,
    Counts,
    Page,
    Planner,
    RememberedPause,
    Result,
    WorkerFault,
    Workload,
)

CYCLE_SECONDS = 10.0
"""A cycle is cut so that the rate budget for it is refilled in this time."""

VERDICT_PATIENCE_SECONDS = 20.0
"""By then a cycle is judged on what has been examined: a slow worker does not hold it up."""

ENOUGH_TO_JUDGE = 0.25
"""This share of a cycle, if it is suspicious, is enough to apply the halt."""

WAKING_SECONDS = 0.01
"""A timer may be early by the clock's rounding."""

PAUSE_TOLERANCE_SECONDS = 1.0
"""By so much a pause must grow to be written down again: all workers report the same one."""

MOMENT_SECONDS = 0.5
"""So long what a worker has died over waits for another shard to become free: only a death there
tells whose fault it is."""

log = structlog.get_logger(__name__)


class CoordinatorListener(Protocol):
    """Who is told what the floor cannot settle by itself."""

    def on_change(self) -> None:
        """Something has moved: whoever waits may look again."""
        ...

    def on_progress(self) -> None:
        """Something was done, and the summary says so."""
        ...

    def on_fault(self, ending: StopReason, reason: str, retry_after_seconds: float) -> None:
        """Something is gone, and worth another try only after a while."""
        ...

    def on_breaker(self) -> None:
        """A shard has another state of its circuit breaker, or is gone with it."""
        ...

    def on_success(self) -> None:
        """Something was done that is no failure."""
        ...

    def on_ready(self) -> None:
        """A worker is ready to work."""
        ...

    def on_death(self) -> None:
        """A worker has died, and is replaced."""
        ...

    def on_failure(self, failure: BaseException) -> None:
        """Nothing can go on."""
        ...

    def write_in_background(self, write: BackgroundWrite) -> None:
        """Have something written that nobody waits for."""
        ...


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
        listener: CoordinatorListener,
    ) -> None:
        self.pool = WorkerPool(
            workload,
            restarts=options.restarts,
            hang_after=options.hang_after,
            set_up_worker=set_up_worker,
            listener=self,
        )
        self.halt: str | None = None
        self.is_halt_recorded = True
        self.is_halt_of_others = False
        """Whether it was applied elsewhere while we were at work: our samples say nothing of it."""
        self._own_halt: str | None = None
        """Why we last applied it: written down late, it is found as if it were another's."""
        self.is_closing = False
        self.cycles: dict[int, OpenCycle] = {}
        self.history = History()
        self.dispatcher = Dispatcher(options.shards, batch_size=options.batch_size)
        self.window = WeightWindow(workload.weight_per_minute, options.rate_share)
        self._budget = SharedBudget(self.window)
        self.options = options
        self._summary = summary
        self._metrics = metrics
        self._listener = listener
        self._shard_health = {shard: ShardHealth() for shard in range(options.shards)}
        self._poison = PoisonDetector()
        self._avoid_until = 0.0
        self._store_away_until = 0.0

    @property
    def cycle_cost(self) -> int:
        """What a cycle may cost of the rate budget at the most."""
        return round(self.window.limit * CYCLE_SECONDS / 60)

    @property
    def shard_health(self) -> dict[int, ShardHealth]:
        """How each wanted shard stands."""
        return {shard: self.health_of(shard) for shard in range(self.options.shards)}

    @property
    def breakers(self) -> dict[int, BreakerState]:
        """Where the circuit breaker of each shard that there is stands; closed before its first."""
        there = [
            shard
            for shard, slot in self.pool.slots.items()
            if shard < self.options.shards or slot.worker is not None
        ]
        known = {shard: self.health_of(shard).breaker for shard in there}
        return {
            shard: BreakerState.CLOSED if breaker is None else breaker.state
            for shard, breaker in known.items()
        }

    def breakers_in(self, state: BreakerState) -> int:
        """How many shards' circuit breakers are in a state."""
        known = (health.breaker for health in self.shard_health.values())
        return sum(breaker is not None and breaker.state is state for breaker in known)

    # How many shards, and how they work.

    def resize(self, options: Options) -> None:
        """Let so many shards share the work as the options say; what is in hand is finished."""
        self.options = options
        self.dispatcher.batch_size = options.batch_size
        self.pool.resize(options.shards)
        self._share_among_those_in_service()
        for shard in self.pool.draining:
            self._limit_draining(shard)
        self.go_on()

    def renew(
        self,
        workload: Workload,
        options: Options,
        set_up_worker: Callable[[int], Callable[[], None]],
    ) -> None:
        """Work like this from now on; the workers that are there go on as they are."""
        self.window.resize(workload.weight_per_minute, options.rate_share)
        self.pool.renew(
            workload,
            restarts=options.restarts,
            hang_after=options.hang_after,
            set_up_worker=set_up_worker,
        )
        self.resize(options)

    def replace_worker(self, shard: int) -> None:
        """Let the shard's worker finish what it has in hand, then start another in its place."""
        self.pool.drain(shard)
        self._limit_draining(shard)
        self.go_on()

    def on_parking(self) -> None:
        """Give a parked shard's buckets to the others, and give them back afterwards."""
        self._share_among_those_in_service()
        self.go_on()

    def _share_among_those_in_service(self) -> None:
        """Let the shards that are wanted and not parked share the work; end if there are none."""
        if len(self.pool.parked) == self.options.shards:
            reason = "every shard is parked: the workers keep dying, and nothing goes forward"
            self._listener.on_failure(WorkersDying(reason))
            return
        self.dispatcher.rebalance(self.options.shards, parked=self.pool.parked)

    def _limit_draining(self, shard: int) -> None:
        """Kill a worker that has not let go in time; then others do what it has in hand.

        What it waits for in order to ask, others wait for as well.
        """
        pid = self.pool.pids.get(shard)
        if pid is not None:
            self._budget.hurry(shard)
            seconds = self.options.drain.total_seconds()
            asyncio.get_running_loop().call_later(seconds, self._end_draining, shard, pid)

    def _end_draining(self, shard: int, pid: int) -> None:
        if shard in self.pool.draining:
            self.pool.kill_one(pid)

    def health_of(self, shard: int) -> ShardHealth:
        """Return how the shard stands, or its last worker did."""
        return self._shard_health.setdefault(shard, ShardHealth())

    # The work.

    def begin_cycle(
        self, chunks: Sequence[Chunk], *, is_sample: bool = False, ends_sweep: bool = False
    ) -> OpenCycle:
        """Queue some runs as a cycle, and set to work on them."""
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
        asyncio.get_running_loop().call_later(VERDICT_PATIENCE_SECONDS, self.go_on)
        self._close_if_done(cycle)
        self.go_on()
        return cycle

    def may_go_on(self, cycle: OpenCycle) -> bool:
        """Whether the next cycle may begin: all of this one that can be examined has been."""
        if self.halt is not None:
            return True
        if self.dispatcher.queued_items() >= self.options.page_items:
            return False  # Held back for shards in trouble: more would only pile up behind it.
        queued = self.dispatcher.queued_items(but=self._backing_off())
        is_prepared = queued == 0 and not cycle.is_preparing
        return is_prepared or cycle.age_seconds >= VERDICT_PATIENCE_SECONDS

    def new_in(self, page: Page) -> list[Chunk]:
        """Return the page's runs without what is under way from an earlier sweep."""
        under_way = self.dispatcher.ids_under_way()
        if not under_way:
            return list(page.chunks)
        return [rest for chunk in page.chunks if (rest := _without(chunk, under_way)).items]

    def deny_waiting(self) -> None:
        """Let no worker wait for leave to send: nothing is in flight then."""
        self._budget.close()

    def go_on(self) -> None:
        """Do what has become possible: hand out, let go, judge, wake whoever waits."""
        blocked = self._backing_off()
        if not self.is_closing:
            # Whoever has work of its own first: then the others take over only what is left.
            for shard in sorted(
                self.pool.idle, key=lambda idle: not self.dispatcher.queued_for(idle)
            ):
                if shard not in blocked and shard in self.dispatcher.serving:
                    self._assign_batch(shard, blocked)
        for shard in self.pool.draining:
            if not self.dispatcher.in_flight(shard):
                self.pool.stop(shard)
        for cycle in list(self.cycles.values()):
            is_overdue = cycle.age_seconds >= VERDICT_PATIENCE_SECONDS
            if not cycle.is_preparing or is_overdue or self._is_anomalous_already(cycle):
                self._judge(cycle)
        self._listener.on_change()

    def _assign_batch(self, shard: int, blocked: Collection[int]) -> None:
        shuns = time.monotonic() < self._avoid_until and self._has_others(shard)
        batch = self.dispatcher.next_batch(
            shard,
            blocked=blocked,
            shuns_own_crashes=shuns,
            takes_suspects=self.pool.is_idle_now(shard),
            only_of=self.pool.allowed_cycles(shard),
        )
        if batch is not None:
            self.cycles[batch.cycle].begin_batch(batch)
            self.pool.assign(shard, batch)

    def _has_others(self, shard: int) -> bool:
        """Whether another shard could do this one's work now."""
        blocked = self._backing_off()
        return any(other != shard and other not in blocked for other in self.dispatcher.serving)

    def _is_anomalous_already(self, cycle: OpenCycle) -> bool:
        """Whether so much of the cycle is odd already that the rest need not be paid for.

        What an exchange does not know is asked for one by one: a whole cycle of it would take the
        rate budget of minutes. A single odd symbol is not enough.
        """
        is_much = cycle.stats.examined >= cycle.items * ENOUGH_TO_JUDGE
        return is_much and is_anomaly(cycle.stats, self.options.halt)

    def _judge(self, cycle: OpenCycle) -> None:
        """Let the workers finish what of the cycle has been examined, or forget it."""
        waiting = cycle.take_waiting()
        if not waiting:
            return
        if is_anomaly(cycle.stats, self.options.halt):
            self._apply_halt(describe(cycle.stats))
        elif cycle.is_sample and is_clean(cycle.stats, self.options.halt, is_whole=cycle.is_whole):
            self.release_halt("a sample was clean")
        may_write = self.halt is None and not cycle.is_sample
        for shard, batches in waiting.items():
            self.pool.commit(shard, batches, may_write=may_write)

    def on_message(self, shard: int, message: FromWorker) -> None:  # noqa: C901 - a flat table
        """Act on what a worker says."""
        match message:
            case Ready():
                self._listener.on_ready()
            case Heartbeat():
                pass
            case BatchPrepared(batch=number, stats=stats):
                cycle = self.cycles[self.dispatcher.cycle_of(shard, number)]
                cycle.end_preparation(number, shard, stats)
                self._poison.record_survival(Stage.PREPARING)
            case BatchDone(batch=number, result=result):
                self._record_result(shard, number, result)
            case BatchReturned(batch=number):
                self._requeue_returned(shard, number)
            case BudgetRequest(number=number, weight=weight):
                self._budget.request(shard, weight, partial(self._reply, shard, number))
            case ProbeEnded(is_alive=is_alive):
                self._budget.note_answer(shard, is_alive=is_alive)
            case RateLimitPause(seconds=seconds):
                self._pause(seconds)
            case WeightUsed(weight=weight):
                self._budget.observe(weight)
            case StoreUnreachable(reason=reason, retry_seconds=seconds):
                self._listener.on_fault(StopReason.STORE_GONE, reason, seconds)
            case Misconfigured(problems=problems):
                self._listener.on_failure(ConfigurationError(problems))
            case _:
                assert_never(message)
        self.go_on()

    def admits(self, shard: int, ready: Ready) -> bool:
        """Admit a worker that runs the same program as we do; end when it runs another."""
        own, other = own_release(), getattr(ready, "release", None)
        if other == own:
            return True
        log.critical("worker.other_release", shard=shard, own=str(own), other=str(other))
        self._listener.on_failure(OtherRelease(own=str(own), other=str(other)))
        return False

    def _reply(self, shard: int, number: int, reply: Reply) -> None:
        """Tell a worker whether it may send a request."""
        if reply is Reply.DENIED:
            self.pool.send(shard, BudgetDenial(number))
        else:
            self.pool.send(shard, BudgetGrant(number, is_probe=reply is Reply.GRANTED_FIRST))

    def _requeue_returned(self, shard: int, number: int) -> None:
        """Queue again what a worker could not look at, because it is to end."""
        batch = self.dispatcher.done(shard, number)
        self.cycles[batch.cycle].forget_batch(number)
        self.dispatcher.requeue_front(shard, batch.chunks, batch.cycle)

    def on_death(self, shard: int, at_work: Collection[int]) -> bool:
        """Queue what the dead worker had in hand again, before all else.

        Returns whether it is the worker's fault, and not that of what it was working at.
        """
        is_workers_fault = True
        for batch in self._take_from(shard):
            stage = self.cycles[batch.cycle].forget_batch(batch.number)
            if batch.number not in at_work:
                self.dispatcher.requeue_urgent(batch.chunks, batch.cycle)
                continue
            crash = self._poison.on_crash(
                batch.chunks,
                shard=shard,
                stage=stage,
                is_alone=len(at_work) == 1,
                has_others=self._has_others(shard),
                is_all=not self.dispatcher.ids_under_way(),
            )
            is_workers_fault = is_workers_fault and crash.is_workers_fault
            self.dispatcher.requeue_urgent(crash.again, batch.cycle)
            self._set_aside(crash.poisoned, batch.cycle)
        self._avoid_until = time.monotonic() + MOMENT_SECONDS
        asyncio.get_running_loop().call_later(1.1 * MOMENT_SECONDS, self.go_on)
        if not self.is_closing:
            self._summary.restarts += 1
            self._listener.on_death()
        self.go_on()
        return is_workers_fault

    def on_end(self, shard: int) -> None:
        """Queue again what a worker had in hand that was to end, and could not finish in time."""
        for batch in self._take_from(shard):
            self.cycles[batch.cycle].forget_batch(batch.number)
            self.dispatcher.requeue_urgent(batch.chunks, batch.cycle)
        self.go_on()
        if shard >= self.options.shards:
            self._listener.on_breaker()

    def on_hang(self, shard: int) -> None:  # noqa: ARG002 - the protocol's
        """Count it; the rest is as with any death."""
        self._summary.killed_hung += 1
        self._metrics.incr(Counter.SUPERVISOR_KILLED_HUNG)

    def _take_from(self, shard: int) -> list[Batch]:
        """Take all batches out of the hand of a worker that has ended."""
        self._budget.withdraw(shard)
        batches = list(self.dispatcher.in_flight(shard))
        for batch in batches:
            self.dispatcher.done(shard, batch.number)
        return batches

    def breaker_of(self, shard: int) -> BreakerSnapshot | None:
        """Return where the circuit breaker of the shard's last worker stands now."""
        return self.health_of(shard).breaker

    def _set_aside(self, chunks: Sequence[Chunk], number: int) -> None:
        """Put what has killed one worker after another on hold."""
        for chunk in chunks:
            log.error("order.crashes_workers", key=chunk.key, items=len(chunk.items))
            self._summary.set_aside += len(chunk.items)
            self._listener.write_in_background(partial(_set_aside, chunk))
            counts = Counts(scanned=len(chunk.items), held=len(chunk.items))
            self._count(self.cycles[number], counts, finished_items=len(chunk.items))

    def _record_result(self, shard: int, number: int, result: Result) -> None:
        batch = self.dispatcher.done(shard, number)
        cycle = self.cycles[batch.cycle]
        self._poison.record_survival(Stage.COMMITTING)
        health = self.health_of(shard)
        before = health.breaker
        health.note_breaker(result.breaker)
        if before is None or before.state is not result.breaker.state:
            self._listener.on_breaker()
        second_try = [chunk for chunk in result.skipped if not chunk.is_second_try]
        self.dispatcher.requeue_back(shard, second_try, batch.cycle)
        self.dispatcher.requeue_front(shard, result.undone, batch.cycle)
        coming_back = size_of((*second_try, *result.undone))
        self._summary.proposals.extend(result.proposals)
        self._summary.not_asked += result.not_asked
        if result.fault is not None:
            self._record_fault(shard, result.fault)
        elif result.counts.scanned > result.counts.errors:
            health.note_success()
        health.finished.add(batch.size - coming_back)
        self._count(cycle, result.counts, finished_items=batch.size - coming_back)
        if result.halted is not None:
            self.adopt_halt(result.halted)

    def _count(self, cycle: OpenCycle, counts: Counts, *, finished_items: int) -> None:
        cycle.count(counts, finished_items=finished_items)
        self._summary.counts.add(counts)
        if counts.scanned > counts.errors:
            self._listener.on_success()
        self._close_if_done(cycle)
        self._listener.on_progress()

    # The halt.

    def _apply_halt(self, reason: str) -> None:
        """Stop writing and planning; forget what is queued: it stays stale."""
        if self.halt is None:
            log.critical("halt.applied", reason=reason)
            self.is_halt_recorded = self.is_halt_of_others = False
            self._listener.write_in_background(partial(self.record_halt, reason))
            self.halt = self._own_halt = self._summary.fault = reason
        self.drop_queued()

    def adopt_halt(self, reason: str) -> None:
        """Stop writing and planning: the database says that the halt is on, for all hosts.

        One that is found at the start may be what a restart has fixed: a clean sample lifts it.
        """
        if self.halt is None:
            self.is_halt_of_others = self._summary.cycles > 0 and reason != self._own_halt
            log.critical("halt.found", reason=reason)
            self.halt = self._summary.fault = reason
        self.drop_queued()

    def release_halt(self, why: str, *, is_recorded: bool = False) -> None:
        """Let rows be written again; not before that is recorded: the workers look there too."""
        log.warning("halt.released", why=why)
        self.is_halt_recorded = is_recorded
        self.halt = None
        self._summary.fault = None

    def record_halt(self, reason: str | None, planner: Planner) -> None:
        """Record that the halt is on, or off: until then, what the database says is outdated."""
        planner.write_halt(reason)
        self.is_halt_recorded = True

    def drop_queued(self) -> None:
        """Forget what is queued; what is in hand goes on."""
        for number, items in self.dispatcher.drop_queued().items():
            self._count(self.cycles[number], Counts(), finished_items=items)

    # Trouble.

    def _record_fault(self, shard: int, fault: WorkerFault) -> None:
        log.warning("worker.in_trouble", shard=shard, kind=fault.kind, reason=fault.message)
        ending = StopReason.STORE_GONE if fault.kind.is_of_store else StopReason.EXCHANGE_GONE
        if fault.kind.is_of_store:
            self.wait_for_store(fault.retry_after_seconds)
        if fault.kind.needs_person and self.options.is_once:
            self._listener.on_failure(_refusal(fault))
        self.health_of(shard).record_fault(fault)
        asyncio.get_running_loop().call_later(fault.retry_after_seconds, self.go_on)
        self._listener.on_fault(ending, fault.message, fault.retry_after_seconds)

    def wait_for_store(self, seconds: float) -> None:
        """Hand out nothing for a while: what would be answered now could not be written."""
        self._store_away_until = max(self._store_away_until, time.monotonic() + seconds)
        asyncio.get_running_loop().call_later(seconds + WAKING_SECONDS, self.go_on)

    def _backing_off(self) -> set[int]:
        """Return the shards that are handed nothing for now."""
        if time.monotonic() < self._store_away_until:
            return set(self._shard_health) | set(range(self.options.shards))
        shard_health = self._shard_health.items()
        return {shard for shard, health in shard_health if health.backing_off_seconds}

    def _pause(self, seconds: float) -> None:
        """Let nobody ask the exchange. A single sweep waits out a minute's limit, but no ban."""
        log.warning("supervisor.rate_limited", pause_seconds=seconds)
        is_longer = seconds > self._budget.paused_seconds + PAUSE_TOLERANCE_SECONDS
        self._budget.pause(seconds)
        if is_longer:
            self.record_pause()
        self._give_up_if_banned(seconds)

    def record_pause(self) -> None:
        """Have the silence that is asked for written down, for the next start."""
        seconds = self._budget.paused_seconds
        if seconds > 0:
            self._listener.write_in_background(partial(_write_pause, time.monotonic() + seconds))

    def restore_pause(self, pause: RememberedPause) -> None:
        """Go on with the silence that was asked for before this start.

        What another host was told need not hold here: one request goes first and finds out.
        """
        if pause.seconds > 0:
            log.warning("supervisor.pause_restored", pause_seconds=round(pause.seconds, 1))
            self._budget.pause(pause.seconds)
            self._give_up_if_banned(pause.seconds)
        elif pause.elsewhere_seconds > 0:
            log.warning(
                "supervisor.paused_elsewhere", pause_seconds=round(pause.elsewhere_seconds, 1)
            )
            self._budget.try_first()

    def _give_up_if_banned(self, seconds: float) -> None:
        if seconds > WINDOW_SECONDS:
            reason = f"the exchange wants to be asked nothing for {seconds:.0f} s"
            self._listener.on_fault(StopReason.EXCHANGE_GONE, reason, seconds)

    # Cycles.

    def _close_if_done(self, cycle: OpenCycle) -> None:
        if cycle.is_done and cycle.number in self.cycles:
            del self.cycles[cycle.number]
            self.record(cycle)

    def record_failures(self) -> None:
        """Record what has failed in cycles that cannot finish yet."""
        for cycle in self.cycles.values():
            part = cycle.finish_part()
            if part is not None:
                self.history.add(part)
                self._metrics.gauge(Gauge.CYCLE_LAST_RUN_TIMESTAMP, part.finished_at.timestamp())

    def record(self, cycle: OpenCycle) -> None:
        """Have a finished cycle, or what was done of one, written down."""
        record = cycle.finish()
        self.history.add(record)
        self._metrics.timing(Timer.CYCLE_DURATION, record.duration_ms)
        self._metrics.gauge(Gauge.CYCLE_LAST_DURATION_MS, record.duration_ms)
        self._metrics.gauge(Gauge.CYCLE_LAST_RUN_TIMESTAMP, record.finished_at.timestamp())
        self._metrics.flush()
        self._listener.write_in_background(self.history.write)


def _without(chunk: Chunk, ids: set[object]) -> Chunk:
    return replace(chunk, items=tuple(item for item in chunk.items if item.id not in ids))


def _refusal(fault: WorkerFault) -> ConfigurationError:
    untold = Problem(what=fault.message, hint="see in the log above what the worker met")
    return ConfigurationError(fault.problems or (untold,))


def _write_pause(until: float, planner: Planner) -> None:
    """Remember a silence; `until` is by the monotonic clock, since the chore may have waited."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        return
    try:
        planner.write_pause(seconds)
    except ReconcilerError as error:
        # It is kept all the same while this process lives; that is no reason to end it.
        log.warning("supervisor.pause_not_recorded", reason=str(error))


def _set_aside(chunk: Chunk, planner: Planner) -> None:
    planner.set_aside(chunk)
