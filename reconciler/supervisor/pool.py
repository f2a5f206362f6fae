"""The worker processes: start them, receive their messages, restart and drain them.

    wanted shard     booting -> ready -> (draining -> stopping) -> gone -> booting ...
    death, hang      -> backing off -> booting                       the listener says when
    too many deaths  -> parked -> booting, on trial                  see `restarts`
    unwanted shard   draining -> stopping -> gone

A worker drains when its shard is not wanted any more or gets a new worker: it is assigned nothing
more, and is told to stop when it has nothing in flight. A worker on trial is the first one after
its shard was parked; if it dies soon, the shard is parked again, for longer.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from reconciler.errors import Problem
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.supervisor.status import ShardState
from reconciler.supervisor.stop_state import StopState
from reconciler.supervisor.worker_process import WorkerProcess, fork_server
from reconciler.worker.messages import (
    BatchDone,
    FromSupervisor,
    FromWorker,
    Heartbeat,
    LimitRead,
    Misconfigured,
    RateLimitPause,
    Ready,
    Stop,
)
from reconciler.worker.process import EX_CONFIG
from reconciler.workload import Batch, Workload

WATCH_SECONDS = 1.0
BOOT_GRACE_SECONDS = 30.0
STACKS_SECONDS = 0.5
"""The time that a hung worker has to write its stacks before it is killed."""

MISCONFIGURED = Misconfigured(
    (
        Problem(
            what=f"a worker ended with code {EX_CONFIG}: it cannot work with this configuration",
            hint="read its last lines in the log above",
        ),
    )
)
"""Reported for a worker that exited as misconfigured, in case its own message was lost."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerDied:
    """A worker died, or could not be started. Its last messages have been delivered.

    Attributes:
        shard: The worker's shard.
        batches: The numbers of the batches that it was working at: none, one or two.
        exit_code: The exit code of the process; None if it could not be started.
    """

    shard: int
    batches: tuple[int, ...] = ()
    exit_code: int | None = None


class PoolListener(Protocol):
    """Receives worker messages and lifecycle events, and decides how to react."""

    def may_serve(self, shard: int, ready: Ready) -> bool:
        """Return True if a worker that reports as ready may be assigned work."""
        ...

    def on_message(self, shard: int, message: FromWorker) -> None:
        """Act on a worker's message. The worker's state in the pool already includes it."""
        ...

    def on_worker_died(self, died: WorkerDied) -> None:
        """Requeue its work; then call `restart` or `park` for its shard."""
        ...

    def on_worker_stopped(self, shard: int) -> None:
        """Requeue the batches left by a worker that stopped, or was killed while stopping."""
        ...

    def on_worker_hung(self, shard: int) -> None:
        """Count a hung worker. It is killed now, and `on_worker_died` follows."""
        ...

    def on_worker_back(self, shard: int) -> None:
        """Put a parked shard back into service: its worker is ready."""
        ...

    def breaker_of(self, shard: int) -> BreakerSnapshot | None:
        """Return the state of the shard's circuit breaker, which its next worker inherits."""
        ...


@dataclass(kw_only=True)
class Slot:
    """A shard's place in the pool: its worker, or the state of a shard without one."""

    worker: WorkerProcess | None = None
    is_parked: bool = False
    since: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> ShardState:
        """The state of the worker; without a worker, parked or backing off."""
        if self.worker is None:
            return ShardState.PARKED if self.is_parked else ShardState.BACKING_OFF
        return self.worker.state

    def cancel_restart(self) -> None:
        """Cancel the scheduled start of the next worker, if there is one."""
        if self.timer is not None:
            self.timer.cancel()


class WorkerPool:
    """One worker a shard. All methods are called on the event loop."""

    def __init__(
        self,
        workload: Workload,
        *,
        hang_after: timedelta,
        set_up_worker: Callable[[int], Callable[[], None]],
        stop_state: StopState,
        listener: PoolListener,
    ) -> None:
        self._hang_after = hang_after
        self._context = fork_server(workload.modules)
        self._workload = workload
        self._set_up_worker = set_up_worker
        self._stop_state = stop_state
        self._listener = listener
        self._wanted = 0
        self._slots: dict[int, Slot] = {}

    @property
    def slots(self) -> dict[int, Slot]:
        """The slots by shard, also of unwanted shards whose workers are not gone yet."""
        return self._slots

    @property
    def workers(self) -> list[WorkerProcess]:
        """All running workers, in any state."""
        return [slot.worker for slot in self._slots.values() if slot.worker is not None]

    @property
    def available(self) -> list[int]:
        """The shards whose workers can prepare another batch now."""
        return [worker.shard for worker in self.workers if worker.can_prepare]

    def is_idle_now(self, shard: int) -> bool:
        """Return True if the shard's worker is preparing and committing nothing now.

        It may still hold prepared batches that wait for their verdict.
        """
        return not self._worker(shard).at_work

    def allowed_cycles(self, shard: int) -> frozenset[int]:
        """Return the cycles this worker is restricted to. An empty set means no restriction.

        See `WorkerProcess.allowed_cycles` for the reason.
        """
        return self._worker(shard).allowed_cycles

    @property
    def has_work(self) -> bool:
        """True while any worker is preparing or committing a batch."""
        return any(worker.at_work for worker in self.workers)

    @property
    def draining(self) -> list[int]:
        """The shards whose workers will be stopped once they have nothing in flight."""
        return [worker.shard for worker in self.workers if worker.state is ShardState.DRAINING]

    @property
    def parked(self) -> list[int]:
        """The wanted shards that are out of service."""
        return [
            shard for shard, slot in self._slots.items() if slot.is_parked and shard < self._wanted
        ]

    @property
    def pids(self) -> dict[int, int | None]:
        """The process ids by shard."""
        return {worker.shard: worker.pid for worker in self.workers}

    def is_replaced(self, shard: int, before: int | None) -> bool:
        """Return True if a worker other than pid `before` is ready, or the shard gets none."""
        slot = self._slots.get(shard)
        if slot is None or slot.is_parked:
            return True
        worker = slot.worker
        return worker is not None and worker.pid != before and worker.state is ShardState.READY

    # Size, restarts and draining.

    def resize(self, shards: int) -> None:
        """Run one worker for each of `shards` shards from now on; drain the surplus workers."""
        self._wanted = shards
        for shard in range(shards):
            if shard not in self._slots:
                self._slots[shard] = Slot()
                self._start(shard)
        for shard in [shard for shard in self._slots if shard >= shards]:
            self.drain(shard)

    def reconfigure(
        self,
        workload: Workload,
        *,
        hang_after: timedelta,
        set_up_worker: Callable[[int], Callable[[], None]],
    ) -> None:
        """Use these settings for workers started from now on. Running workers are not changed."""
        self._workload = workload
        self._set_up_worker = set_up_worker
        self._hang_after = hang_after

    def drain(self, shard: int) -> None:
        """Drain the shard's worker. If the shard is still wanted, a new worker follows."""
        slot = self._slots[shard]
        if slot.worker is None:
            slot.cancel_restart()
            self._start_next(shard)
        elif slot.worker.state in {ShardState.BOOTING, ShardState.READY}:
            slot.worker.state = ShardState.DRAINING

    def restart(self, shard: int, *, delay: timedelta = timedelta(0)) -> None:
        """Start the shard's next worker after `delay`."""
        slot = self._slots[shard]
        slot.since = time.monotonic()
        slot.timer = asyncio.get_running_loop().call_later(
            delay.total_seconds(), self._start_next, shard
        )

    def park(self, shard: int, *, retry_after: timedelta) -> None:
        """Take the shard out of service until its next worker, after `retry_after`, is ready."""
        self._slots[shard].is_parked = True
        self.restart(shard, delay=retry_after)

    def stop(self, shard: int) -> None:
        """Ask a drained worker to exit."""
        if (worker := self._slots[shard].worker) is not None:
            self._stop_process(worker)

    # Messages to the workers.

    def assign(self, shard: int, batch: Batch) -> None:
        """Give an available worker a batch to prepare."""
        self._worker(shard).prepare(batch)

    def commit(self, shard: int, batches: Sequence[int], *, may_write: bool) -> None:
        """Tell a worker to commit, or to forget, batches that it has prepared, if it still runs."""
        worker = self._slots[shard].worker
        if worker is not None:
            worker.commit(batches, may_write=may_write)

    def send(self, shard: int, message: FromSupervisor) -> None:
        """Send a message to a shard's worker, if it has one."""
        slot = self._slots.get(shard)
        if slot is not None and slot.worker is not None:
            slot.worker.send(message)

    def stop_all(self) -> None:
        """Ask all workers to finish their batches in flight and exit."""
        for worker in self.workers:
            self._stop_process(worker)

    def kill_all(self) -> int:
        """Kill all workers that are left, wait until they have ended, and return their number."""
        for slot in self._slots.values():
            slot.cancel_restart()
        left = self.workers
        for worker in left:
            log.warning("worker.killed", shard=worker.shard, worker_pid=worker.pid)
            worker.kill()
        for worker in left:
            self._remove(worker)
        return len(left)

    def kill(self, pid: int) -> None:
        """Kill a worker that has not ended in time. Others take over its batches in flight."""
        for worker in self.workers:
            if worker.pid == pid:
                log.warning("worker.killed", shard=worker.shard, worker_pid=pid)
                worker.state = ShardState.STOPPING
                worker.kill()

    def _stop_process(self, worker: WorkerProcess) -> None:
        worker.state = ShardState.STOPPING
        worker.send(Stop())

    def _worker(self, shard: int) -> WorkerProcess:
        worker = self._slots[shard].worker
        assert worker is not None  # noqa: S101 - asked only of a shard that has a worker
        return worker

    # Hangs.

    async def watch(self) -> None:
        """Kill every worker that hangs, and log its stacks first. Runs until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(WATCH_SECONDS)
            if loop.time() - began > 2 * WATCH_SECONDS:
                continue  # Our own loop was blocked: their heartbeats are still unread.
            for worker in self.workers:
                if worker.seconds_since_heartbeat > self._heartbeat_timeout(worker):
                    self._kill_hung(worker)

    def log_stacks(self) -> None:
        """Write all workers' stacks to the log."""
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
        self._listener.on_worker_hung(worker.shard)
        worker.kill()

    def _log_stacks(self, worker: WorkerProcess) -> None:
        log.warning(
            "worker.stacks", shard=worker.shard, worker_pid=worker.pid, stacks=worker.read_stacks()
        )

    def _later(
        self, seconds: float, act: Callable[[WorkerProcess], None], worker: WorkerProcess
    ) -> None:
        """Call `act` with the worker after `seconds`, if it still runs."""

        def act_if_running() -> None:
            if worker in self.workers:
                act(worker)

        asyncio.get_running_loop().call_later(seconds, act_if_running)

    # Starts and ends of processes.

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
            # The system has no memory, process or descriptor left, or the fork server died of that.
            log.warning("worker.not_started", shard=shard, reason=str(error))
            self._listener.on_worker_died(WorkerDied(shard=shard))
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
            if not self._listener.may_serve(worker.shard, message):
                return
            worker.state = ShardState.READY
            self._resume(worker.shard)
        if not isinstance(message, Heartbeat):
            self._listener.on_message(worker.shard, message)

    def _resume(self, shard: int) -> None:
        if self._slots[shard].is_parked:
            self._slots[shard].is_parked = False
            self._listener.on_worker_back(shard)

    def _on_end(self, worker: WorkerProcess) -> None:
        """Read an ended worker's last messages, then report its end."""
        last_messages = worker.receive_rest()
        shard, pid, exit_code = worker.shard, worker.pid, worker.process.exitcode
        self._remove(worker)
        for message in last_messages:
            if isinstance(message, BatchDone | Misconfigured | RateLimitPause | LimitRead):
                self._on_message(worker, message)
        if exit_code == EX_CONFIG:
            self._listener.on_message(shard, MISCONFIGURED)
        if worker.state is ShardState.STOPPING:
            log.debug("worker.ended", shard=shard, worker_pid=pid, exit_code=exit_code)
            self._listener.on_worker_stopped(shard)
            self._start_next(shard)
        else:
            log.warning("worker.died", shard=shard, worker_pid=pid, exit_code=exit_code)
            self._listener.on_worker_died(
                WorkerDied(shard=shard, batches=worker.at_work, exit_code=exit_code)
            )

    def _start_next(self, shard: int) -> None:
        """Start the next worker of a shard that has none; remove the slot of an unwanted shard."""
        if self._stop_state.is_stopping:
            return
        if shard < self._wanted:
            self._start(shard)
        else:
            del self._slots[shard]

    def _remove(self, worker: WorkerProcess) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(worker.pipe_descriptor)
        loop.remove_reader(worker.sentinel)
        self._slots[worker.shard].worker = None
        worker.close()
