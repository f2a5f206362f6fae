"""The worker processes: started, listened to, replaced when they die or hang, or parked.

    wanted shard     booting -> ready -> (draining -> stopping) -> gone -> booting ...
    death, hang      -> backing off -> booting                       see `restarts`
    too many deaths  -> parked -> booting, on trial
    unwanted shard   draining -> stopping -> gone

A worker drains when its shard is not wanted any more or gets a new worker: it is handed nothing
more, and is told to stop when it has let go of everything.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog

from reconciler.errors import Problem
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.supervisor.restarts import RestartBackoff, RestartPolicy
from reconciler.supervisor.status import ShardState
from reconciler.supervisor.worker_process import WorkerProcess, fork_server
from reconciler.worker.messages import (
    BatchDone,
    FromSupervisor,
    FromWorker,
    Heartbeat,
    Misconfigured,
    RateLimitPause,
    Ready,
    Stop,
    WeightUsed,
)
from reconciler.worker.process import EX_CONFIG
from reconciler.workload import Batch, Workload

WATCH_SECONDS = 1.0
BOOT_GRACE_SECONDS = 30.0
STACKS_SECONDS = 0.5
"""How long a worker gets to write down its stacks before it is killed."""

MISCONFIGURED = Misconfigured(
    (
        Problem(
            what=f"a worker ended with code {EX_CONFIG}: it cannot work with this configuration",
            hint="read its last lines in the log above",
        ),
    )
)
"""What is heard of a worker that ended as unfit and could not say why."""

log = structlog.get_logger(__name__)


class PoolListener(Protocol):
    """Who is told what the workers say and what becomes of them."""

    def admits(self, shard: int, ready: Ready) -> bool:
        """Whether a worker that is ready may be handed anything."""
        ...

    def on_message(self, shard: int, message: FromWorker) -> None:
        """A worker said something; its state is already up to date."""
        ...

    def on_death(self, shard: int, at_work: Collection[int]) -> bool:
        """A worker died, or could not be started.

        Args:
            shard: Whose worker it was.
            at_work: The numbers of the batches that it was working at.

        Returns:
            Whether it is the worker's fault, and not a batch's: then its replacement may have to
            wait. Else it starts at once.
        """
        ...

    def on_end(self, shard: int) -> None:
        """A worker that was to end has ended."""
        ...

    def on_hang(self, shard: int) -> None:
        """A worker hangs, and is killed."""
        ...

    def on_parking(self) -> None:
        """A shard was parked, or is not any more."""
        ...

    def breaker_of(self, shard: int) -> BreakerSnapshot | None:
        """Return where the circuit breaker of the shard's last worker stands now."""
        ...


@dataclass(kw_only=True)
class Slot:
    """A shard's place in the crew: its worker, or why there is none."""

    backoff: RestartBackoff
    worker: WorkerProcess | None = None
    is_parked: bool = False
    since: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> ShardState:
        """Where the shard is."""
        if self.worker is None:
            return ShardState.PARKED if self.is_parked else ShardState.BACKING_OFF
        return self.worker.state


class WorkerPool:
    """One worker a shard. All methods are called on the event loop."""

    def __init__(
        self,
        workload: Workload,
        *,
        restarts: RestartPolicy,
        hang_after: timedelta,
        set_up_worker: Callable[[int], Callable[[], None]],
        listener: PoolListener,
    ) -> None:
        self._hang_after = hang_after
        self._context = fork_server()
        self._workload = workload
        self._restarts = restarts
        self._set_up_worker = set_up_worker
        self._listener = listener
        self._wanted = 0
        self._slots: dict[int, Slot] = {}
        self._is_stopping = False
        self._rng = random.Random()  # noqa: S311 - jitter, no secret

    @property
    def slots(self) -> dict[int, Slot]:
        """The places of all shards, also of those that are not wanted any more but not yet gone."""
        return self._slots

    @property
    def workers(self) -> list[WorkerProcess]:
        """The workers that there are."""
        return [slot.worker for slot in self._slots.values() if slot.worker is not None]

    @property
    def idle(self) -> list[int]:
        """The shards whose workers could look at another batch."""
        return [worker.shard for worker in self.workers if worker.is_idle]

    def is_idle_now(self, shard: int) -> bool:
        """Whether the shard's worker is at work at nothing, whatever it has looked at."""
        return not self._worker(shard).at_work

    def allowed_cycles(self, shard: int) -> frozenset[int]:
        """The cycles that the shard's worker may look at more of; empty: any."""
        return self._worker(shard).allowed_cycles

    @property
    def has_work(self) -> bool:
        """Whether a worker has anything to work at."""
        return any(worker.at_work for worker in self.workers)

    @property
    def draining(self) -> list[int]:
        """The shards whose workers are to stop when they have let go of everything."""
        return [worker.shard for worker in self.workers if worker.state is ShardState.DRAINING]

    @property
    def parked(self) -> list[int]:
        """The shards that are out of service, of those that are wanted."""
        return [
            shard for shard, slot in self._slots.items() if slot.is_parked and shard < self._wanted
        ]

    @property
    def pids(self) -> dict[int, int | None]:
        """The process ids by shard."""
        return {worker.shard: worker.pid for worker in self.workers}

    def is_renewed(self, shard: int, before: int | None) -> bool:
        """Whether the shard has another worker than `before`, ready; or is parked, or gone."""
        slot = self._slots.get(shard)
        if slot is None or slot.is_parked:
            return True
        worker = slot.worker
        return worker is not None and worker.pid != before and worker.state is ShardState.READY

    # How many.

    def resize(self, shards: int) -> None:
        """Have so many workers from now on."""
        self._wanted = shards
        for shard in range(shards):
            if shard not in self._slots:
                self._slots[shard] = Slot(
                    backoff=RestartBackoff(self._restarts, self._rng, time.monotonic)
                )
                self._start(shard)
        for shard in [shard for shard in self._slots if shard >= shards]:
            self.drain(shard)

    def renew(
        self,
        workload: Workload,
        *,
        restarts: RestartPolicy,
        hang_after: timedelta,
        set_up_worker: Callable[[int], Callable[[], None]],
    ) -> None:
        """Start workers like this from now on; those that are there stay as they are."""
        self._workload = workload
        self._restarts = restarts
        for slot in self._slots.values():
            slot.backoff.policy = restarts
        self._set_up_worker = set_up_worker
        self._hang_after = hang_after

    def drain(self, shard: int) -> None:
        """Let the shard's worker go; if the shard is still wanted, it gets a new one then."""
        slot = self._slots[shard]
        if slot.worker is not None:
            if slot.worker.state in {ShardState.BOOTING, ShardState.READY}:
                slot.worker.state = ShardState.DRAINING
            return
        if slot.timer is not None:
            slot.timer.cancel()
        self._start_next(shard)

    def stop(self, shard: int) -> None:
        """Tell a draining worker, which has nothing in hand, to end."""
        if (worker := self._slots[shard].worker) is not None:
            self._stop_process(worker)

    # What they do.

    def assign(self, shard: int, batch: Batch) -> None:
        """Give an idle worker a batch to look at."""
        self._worker(shard).prepare(batch)

    def commit(self, shard: int, batches: Sequence[int], *, may_write: bool) -> None:
        """Let a worker finish batches that it has looked at; it may just have died with them."""
        worker = self._slots[shard].worker
        if worker is not None:
            worker.commit(batches, may_write=may_write)

    def send(self, shard: int, message: FromSupervisor) -> None:
        """Say something to a shard's worker, if it has one."""
        slot = self._slots.get(shard)
        if slot is not None and slot.worker is not None:
            slot.worker.send(message)

    def stop_all(self) -> None:
        """Tell all workers to finish what they have in hand and end; replace nobody any more."""
        self._stop_restarts()
        for worker in self.workers:
            self._stop_process(worker)

    def kill(self) -> int:
        """End all workers that are left, wait until they have ended, and return their number."""
        self._stop_restarts()
        left = self.workers
        for worker in left:
            log.warning("worker.killed", shard=worker.shard, worker_pid=worker.pid)
            worker.kill()
        for worker in left:
            self._remove(worker)
        return len(left)

    def kill_one(self, pid: int) -> None:
        """End a worker that has had time enough; what it has in hand is done by others."""
        for worker in self.workers:
            if worker.pid == pid:
                log.warning("worker.killed", shard=worker.shard, worker_pid=pid)
                worker.state = ShardState.STOPPING
                worker.kill()

    def _stop_restarts(self) -> None:
        self._is_stopping = True
        for slot in self._slots.values():
            if slot.timer is not None:
                slot.timer.cancel()

    def _stop_process(self, worker: WorkerProcess) -> None:
        worker.state = ShardState.STOPPING
        worker.send(Stop())

    def _worker(self, shard: int) -> WorkerProcess:
        worker = self._slots[shard].worker
        assert worker is not None  # noqa: S101 - only who is there is spoken to
        return worker

    # Hangs.

    async def watch(self) -> None:
        """Kill every worker that hangs, with its stacks in the log; never ends by itself."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(WATCH_SECONDS)
            if loop.time() - began > 2 * WATCH_SECONDS:
                continue  # It is we who were held up: what they said meanwhile is still unread.
            for worker in self.workers:
                if worker.seconds_since_heartbeat > self._heartbeat_timeout(worker):
                    self._kill_hung(worker)

    def log_stacks(self) -> None:
        """Have all workers' stacks written to the log."""
        for worker in self.workers:
            worker.ask_for_stacks()
            self._later(STACKS_SECONDS, self._log_stacks, worker)

    def _heartbeat_timeout(self, worker: WorkerProcess) -> float:
        if worker.state is ShardState.BOOTING:
            return BOOT_GRACE_SECONDS
        return self._hang_after.total_seconds()

    def _kill_hung(self, worker: WorkerProcess) -> None:
        if worker.is_hung:
            return
        worker.is_hung = True
        worker.ask_for_stacks()
        self._later(STACKS_SECONDS, self._kill_hung_now, worker)

    def _kill_hung_now(self, worker: WorkerProcess) -> None:
        log.error(
            "worker.hung",
            shard=worker.shard,
            worker_pid=worker.pid,
            seconds_since_heartbeat=round(worker.seconds_since_heartbeat, 1),
            stacks=worker.read_stacks() or "it did not write any: it is stopped, or in the kernel",
        )
        self._listener.on_hang(worker.shard)
        worker.kill()

    def _log_stacks(self, worker: WorkerProcess) -> None:
        log.warning(
            "worker.stacks", shard=worker.shard, worker_pid=worker.pid, stacks=worker.read_stacks()
        )

    def _later(
        self, seconds: float, act: Callable[[WorkerProcess], None], worker: WorkerProcess
    ) -> None:
        """Act on a worker in a while, if it is still there."""

        def act_if_there() -> None:
            if worker in self.workers:
                act(worker)

        asyncio.get_running_loop().call_later(seconds, act_if_there)

    # Life and death.

    def _start(self, shard: int) -> None:
        slot = self._slots[shard]
        slot.timer = None
        try:
            worker = WorkerProcess(
                self._context,
                self._workload,
                shard=shard,
                breaker=self._listener.breaker_of(shard),
                set_up=self._set_up_worker(shard),
            )
        except (OSError, EOFError) as error:
            # No memory, process or descriptor is to be had, or the fork server died of that.
            log.warning("worker.not_started", shard=shard, reason=str(error))
            self._listener.on_death(shard, ())
            self._replace(shard, is_workers_fault=True)
            return
        slot.worker = worker
        slot.since = time.monotonic()
        loop = asyncio.get_running_loop()
        loop.add_reader(worker.pipe_descriptor, self._on_readable, worker)
        loop.add_reader(worker.sentinel, self._on_end, worker)
        log.debug("worker.started", shard=shard, worker_pid=worker.pid)

    def _on_readable(self, worker: WorkerProcess) -> None:
        message = worker.receive()
        if message is None:
            asyncio.get_running_loop().remove_reader(worker.pipe_descriptor)
        else:
            self._on_message(worker, message)

    def _on_message(self, worker: WorkerProcess, message: FromWorker) -> None:
        if isinstance(message, Ready) and worker.state is ShardState.BOOTING:
            if not self._listener.admits(worker.shard, message):
                return
            worker.state = ShardState.READY
            self._resume(worker.shard)
        if not isinstance(message, Heartbeat):
            self._listener.on_message(worker.shard, message)

    def _resume(self, shard: int) -> None:
        if self._slots[shard].is_parked:
            self._slots[shard].is_parked = False
            log.warning("shard.resumed", shard=shard)
            self._listener.on_parking()

    def _on_end(self, worker: WorkerProcess) -> None:
        """Hear a dead worker's last words before its work is taken back: it may have finished."""
        last_words = worker.receive_rest()
        shard, pid, exit_code = worker.shard, worker.pid, worker.process.exitcode
        self._remove(worker)
        for message in last_words:
            if isinstance(message, BatchDone | Misconfigured | RateLimitPause | WeightUsed):
                self._on_message(worker, message)
        if exit_code == EX_CONFIG:
            self._listener.on_message(shard, MISCONFIGURED)
        if worker.state is ShardState.STOPPING:
            log.debug("worker.ended", shard=shard, worker_pid=pid, exit_code=exit_code)
            self._listener.on_end(shard)
            self._start_next(shard)
            return
        log.warning("worker.died", shard=shard, worker_pid=pid, exit_code=exit_code)
        is_workers_fault = self._listener.on_death(shard, worker.at_work)
        self._replace(shard, is_workers_fault=is_workers_fault)

    def _start_next(self, shard: int) -> None:
        """Give a shard without a worker its next one, or up if it is not wanted any more."""
        if self._is_stopping:
            return
        if shard < self._wanted:
            self._start(shard)
        else:
            del self._slots[shard]

    def _replace(self, shard: int, *, is_workers_fault: bool) -> None:
        if self._is_stopping or shard >= self._wanted or not is_workers_fault:
            self._start_next(shard)
            return
        slot = self._slots[shard]
        follows = slot.backoff.record_death()
        slot.since = time.monotonic()
        seconds = follows.delay.total_seconds()
        slot.timer = asyncio.get_running_loop().call_later(seconds, partial(self._start, shard))
        if follows.is_parked:
            log.critical(
                "shard.parked",
                shard=shard,
                deaths=slot.backoff.recent,
                retry_seconds=round(seconds),
            )
            slot.is_parked = True
            self._listener.on_parking()

    def _remove(self, worker: WorkerProcess) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.pipe_descriptor)
        loop.remove_reader(worker.sentinel)
        self._slots[worker.shard].worker = None
        worker.close()
