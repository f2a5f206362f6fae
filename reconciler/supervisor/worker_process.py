"""One worker process as its parent sees it.

Workers are forked from a fork server: a process that has imported the program but opened nothing,
so no connection, thread or lock of the parent is ever inherited, and a start takes milliseconds.
"""

import contextlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerContext

from reconciler import safe_path
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.supervisor.status import ShardState
from reconciler.worker.messages import (
    AssignBatch,
    BatchDone,
    BatchPrepared,
    BatchReturned,
    CommitBatches,
    FromSupervisor,
    FromWorker,
    Heartbeat,
)
from reconciler.worker.process import main as run_worker
from reconciler.workload import Batch, Workload

MOST_STACK_BYTES = 65_536
"""What a pipe holds: a worker with more to tell is cut short."""


class WorkerProcess:
    """A worker: its process, our ends of its pipes, and what we know of it."""

    def __init__(
        self,
        context: ForkServerContext,
        workload: Workload,
        *,
        shard: int,
        breaker: BreakerSnapshot | None,
        set_up: Callable[[], None],
    ) -> None:
        """Start the process. `breaker` is where its predecessor's circuit breaker stood."""
        self.shard = shard
        self.state = ShardState.BOOTING
        self._preparing: int | None = None
        self._committing: deque[deque[int]] = deque()
        """The batches that it is to finish, by verdict; it is at the first."""
        self._suspects: dict[int, int] = {}
        """The batches in its hand over which others have died, with their cycles."""
        self.is_hung = False
        """Whether it hangs, and is about to be killed."""
        self._heard_at = time.monotonic()
        self._waiting_seconds = 0.0
        self._connection, theirs = context.Pipe()
        self._stacks, their_stacks = context.Pipe(duplex=False)
        self.process = context.Process(
            target=run_worker,
            args=(theirs, their_stacks, workload, shard, breaker, set_up),
            name=f"reconciler worker {shard}",
            daemon=True,
        )
        with safe_path.for_new_processes():
            self.process.start()
        theirs.close()
        their_stacks.close()

    @property
    def is_idle(self) -> bool:
        """Whether it could look at another batch.

        It may still be finishing what the last verdict was about, but no more than that, else what
        it has looked at would pile up; nor what may be its death.
        """
        if self.state is not ShardState.READY or self.is_hung or self._preparing is not None:
            return False
        return len(self._committing) <= 1 and self._suspects.keys().isdisjoint(self._to_commit)

    @property
    def allowed_cycles(self) -> frozenset[int]:
        """The cycles that it may look at more of, and of no other; empty: of any.

        While what may be its death waits for the verdict of a cycle, another cycle must not be at
        work when it comes.
        """
        waiting = self._suspects.keys() - {self._preparing} - set(self._to_commit)
        return frozenset(self._suspects[number] for number in waiting)

    @property
    def _to_commit(self) -> list[int]:
        return [number for verdict in self._committing for number in verdict]

    @property
    def at_work(self) -> tuple[int, ...]:
        """The numbers of the batches that it is at now: one that it looks at, one it finishes."""
        batches = (self._preparing, self._committing[0][0] if self._committing else None)
        return tuple(number for number in batches if number is not None)

    def prepare(self, batch: Batch) -> None:
        """Give it a batch to look at. It must be idle."""
        self._preparing = batch.number
        if batch.is_suspect:
            self._suspects[batch.number] = batch.cycle
        self.send(AssignBatch(batch))

    def commit(self, batches: Sequence[int], *, may_write: bool) -> None:
        """Let it finish batches that it has looked at."""
        self._committing.append(deque(batches))
        self.send(CommitBatches(tuple(batches), may_write))

    @property
    def seconds_since_heartbeat(self) -> float:
        """How long nothing that shows it alive has come from its loop.

        Its loop may turn while a call of its hangs: then since that call began.
        """
        return time.monotonic() - self._heard_at + self._waiting_seconds

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self.process.pid

    @property
    def pipe_descriptor(self) -> int:
        """Readable when the worker has said something."""
        return self._connection.fileno()

    @property
    def sentinel(self) -> int:
        """Readable when the process has ended."""
        return self.process.sentinel

    def receive(self) -> FromWorker | None:
        """Return what the worker said; None when it can say nothing more.

        That includes a message that it began and was killed in.
        """
        try:
            message: FromWorker = self._connection.recv()
        except (EOFError, OSError):
            return None
        self._heard_at = time.monotonic()
        match message:
            case Heartbeat(waiting_seconds=seconds):
                self._waiting_seconds = seconds
            case BatchPrepared():
                self._preparing = None
            case BatchReturned(batch=number):
                self._preparing = None
                self._suspects.pop(number, None)
            case BatchDone(batch=number):
                self._suspects.pop(number, None)
                self._committing[0].popleft()
                if not self._committing[0]:
                    self._committing.popleft()
        return message

    def receive_rest(self) -> list[FromWorker]:
        """Return what a dead worker had still said and nobody has read."""
        messages = []
        while self._has_more() and (message := self.receive()) is not None:
            messages.append(message)
        return messages

    def _has_more(self) -> bool:
        try:
            return self._connection.poll()
        except OSError:
            return False

    def send(self, message: FromSupervisor) -> None:
        """Say something to the worker. That it is dead already shows at its sentinel."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(message)

    def ask_for_stacks(self) -> None:
        """Have it write down where each of its threads is, even if its loop is stuck."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, signal.SIGUSR2)

    def read_stacks(self) -> str:
        """Return what it has written of its stacks since it was last asked; "" if nothing."""
        if not self._stacks.poll():
            return ""
        return os.read(self._stacks.fileno(), MOST_STACK_BYTES).decode(errors="replace")

    def kill(self) -> None:
        """End the process without its consent."""
        self.process.kill()

    def close(self) -> None:
        """Let go of a process that has ended."""
        self._connection.close()
        self._stacks.close()
        self.process.join()
        self.process.close()


def fork_server() -> ForkServerContext:
    """Return the context that workers are started from, with the program already imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["reconciler.supervisor.forkserver_init"])
    return context
