"""One worker process, as the supervisor sees it.

Workers are forked from a fork server, a process that has imported the program but opened nothing.
So a worker inherits no connection, thread or lock of the supervisor, and starts in milliseconds.
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
"""The size of a pipe; longer stacks are cut."""

_FORK_SERVER_INIT = "reconciler.supervisor.forkserver_init"
_FORK_SERVER_FREEZE = "reconciler.supervisor.forkserver_freeze"


class WorkerProcess:
    """A worker: its process, our ends of its pipes, and its state as far as we know it."""

    def __init__(
        self,
        context: ForkServerContext,
        workload: Workload,
        *,
        shard: int,
        breaker: BreakerSnapshot | None,
        set_up: Callable[[], None],
    ) -> None:
        """Start the process. `breaker` is the state of its predecessor's circuit breaker."""
        self.shard = shard
        self.state = ShardState.BOOTING
        self._preparing: int | None = None
        self._committing: deque[deque[int]] = deque()
        """The batches that it must commit, by verdict; it works at the first batch of the first."""
        self._suspects: dict[int, int] = {}
        """The batches in flight with a suspect (see `dispatcher`), and their cycles."""
        self.is_hung = False
        """True if it hangs and is about to be killed."""
        self._last_message_at = time.monotonic()
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
    def can_prepare(self) -> bool:
        """True if it can prepare another batch now.

        It may still be committing the batches of one verdict, but not of more, because prepared
        batches would pile up. Nor may it be committing a suspect.
        """
        if self.state is not ShardState.READY or self.is_hung or self._preparing is not None:
            return False
        return len(self._committing) <= 1 and self._suspects.keys().isdisjoint(self._to_commit)

    @property
    def allowed_cycles(self) -> frozenset[int]:
        """The cycles that it is restricted to. An empty set means no restriction.

        While a suspect that it has prepared waits for the verdict, the worker gets only batches of
        the same cycle. The verdict comes when these are prepared too, so the suspect is committed
        alone.
        """
        waiting = self._suspects.keys() - {self._preparing} - set(self._to_commit)
        return frozenset(self._suspects[number] for number in waiting)

    @property
    def _to_commit(self) -> list[int]:
        return [number for verdict in self._committing for number in verdict]

    @property
    def at_work(self) -> tuple[int, ...]:
        """The numbers of the batches that it is preparing and committing: at most one of each."""
        batches = (self._preparing, self._committing[0][0] if self._committing else None)
        return tuple(number for number in batches if number is not None)

    def prepare(self, batch: Batch) -> None:
        """Assign it a batch to prepare. Requires `can_prepare`."""
        self._preparing = batch.number
        if batch.is_suspect:
            self._suspects[batch.number] = batch.cycle
        self.send(AssignBatch(batch))

    def commit(self, batches: Sequence[int], *, may_write: bool) -> None:
        """Tell it to commit, or to forget, batches that it has prepared."""
        self._committing.append(deque(batches))
        self.send(CommitBatches(tuple(batches), may_write))

    @property
    def seconds_since_heartbeat(self) -> float:
        """The seconds since its last message, plus the time that its call had taken by then."""
        return time.monotonic() - self._last_message_at + self._waiting_seconds

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self.process.pid

    @property
    def pipe_descriptor(self) -> int:
        """The descriptor that is readable when the worker has sent a message."""
        return self._connection.fileno()

    @property
    def sentinel(self) -> int:
        """The descriptor that is readable when the process has ended."""
        return self.process.sentinel

    def receive(self) -> FromWorker | None:
        """Return the worker's next message; None if no more can follow.

        A message that was cut off because the worker was killed counts as none.
        """
        try:
            message: FromWorker = self._connection.recv()
        except (EOFError, OSError):
            return None
        self._last_message_at = time.monotonic()
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
        """Return the messages of a dead worker that are still unread."""
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
        """Send a message to the worker. If the worker is dead, its sentinel reports that."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(message)

    def ask_for_stacks(self) -> None:
        """Ask it to write its threads' stacks. It does so even if its loop is stuck."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, signal.SIGUSR2)

    def read_stacks(self) -> str:
        """Return the stacks that it has written since the last request; "" if none."""
        if not self._stacks.poll():
            return ""
        return os.read(self._stacks.fileno(), MOST_STACK_BYTES).decode(errors="replace")

    def kill(self) -> None:
        """Kill the process."""
        self.process.kill()

    def close(self) -> None:
        """Close the pipes of an ended process and free its resources."""
        self._connection.close()
        self._stacks.close()
        self.process.join()
        self.process.close()


def fork_server(modules: Sequence[str] = ()) -> ForkServerContext:
    """Return the context that workers are started from, with the program and `modules` imported.

    The first call that starts a process decides: this process has one fork server.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_FORK_SERVER_INIT, *modules, _FORK_SERVER_FREEZE])
    return context
