"""A worker process: one event loop that looks at batches, and finishes them when told to.

It does both side by side: while the database is busy with what was looked at, the exchange is asked
about the next batch. Of each it does one at a time, in the order in which it was told to.

It ends when it is told to, and at once, whatever it is doing, when its parent dies or lets go of
the pipe: what it has in hand is then handed to somebody else. Being killed at any instant loses
nothing: what was not committed is handed out again.
"""

import asyncio
import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, NoReturn, assert_never

import structlog

from reconciler.errors import ConfigurationError, NotSent, StoreRefused, StoreUnavailable
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.worker.messages import (
    AssignBatch,
    BatchDone,
    BatchPrepared,
    BatchReturned,
    BudgetDenial,
    BudgetGrant,
    BudgetRequest,
    CommitBatches,
    FromSupervisor,
    FromWorker,
    Heartbeat,
    Misconfigured,
    ProbeEnded,
    RateLimitPause,
    Ready,
    Stop,
    StoreUnreachable,
    WeightUsed,
)
from reconciler.worker.release import own_release
from reconciler.workload import Batch, Handler, Workload

HEARTBEAT_SECONDS = 2.0
BOOT_RETRY_SECONDS = 1.0
EX_SOFTWARE = 70
EX_CONFIG = 78

log = structlog.get_logger(__name__)


def main(  # noqa: PLR0917 - multiprocessing passes them so
    connection: Connection,
    stacks: Connection,
    workload: Workload,
    shard: int,
    breaker: BreakerSnapshot | None,
    set_up: Callable[[], None],
) -> None:
    """Run a worker until it is stopped: the target of its process.

    Args:
        connection: The pipe to the parent.
        stacks: Where to write down where every thread is, when the parent asks with USR2.
        workload: What to do.
        shard: This worker's number, for logs and metrics.
        breaker: Where the predecessor's circuit breaker stood.
        set_up: Called first: sets up logging.
    """
    _leave_signals_to_parent()
    # Written by the C library's own handler: also while Python is in an endless loop, or waits.
    faulthandler.register(signal.SIGUSR2, file=stacks.fileno())
    _exit_with_parent()
    set_up()
    try:
        asyncio.run(Worker(connection, workload, shard, breaker).run())
    except ConfigurationError as error:
        log.error("worker.misconfigured", problem=str(error))  # noqa: TRY400 - it is the person's
        _send_or_exit(connection, Misconfigured(error.problems))
        sys.exit(EX_CONFIG)
    except Exception:
        # Left to multiprocessing, it would be printed as it is, with whatever secrets it holds.
        log.exception("worker.bug")
        sys.exit(EX_SOFTWARE)


class Worker:
    """The child's end of the pipe, and what is done with what comes out of it."""

    def __init__(
        self,
        connection: Connection,
        workload: Workload,
        shard: int,
        breaker: BreakerSnapshot | None,
    ) -> None:
        self._connection = connection
        self._workload = workload
        self._shard = shard
        self._breaker = breaker
        self._batches: asyncio.Queue[Batch] = asyncio.Queue()
        self._verdicts: asyncio.Queue[CommitBatches | None] = asyncio.Queue()
        """None: the last has come."""
        self._budget = BudgetClient(self._send)
        self._preparing: asyncio.Task[None] | None = None
        self._prepared: dict[int, Batch] = {}

    async def run(self) -> None:
        """Open everything, then do what the parent says until told to stop."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_exit_on_bug)
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        with self._listening():
            handler = await self._open_handler()
            if handler is None:
                return
            try:
                await self._work(handler)
            except ExceptionGroup as failures:
                raise _root_cause(failures) from failures
            finally:
                await handler.close()

    async def _work(self, handler: Handler) -> None:
        """Examine and conclude side by side, until the last verdict has been done."""
        async with asyncio.TaskGroup() as tasks:
            self._preparing = tasks.create_task(self._prepare_all(handler))
            heartbeats = tasks.create_task(self._heartbeat(handler))
            self._send(Ready(own_release()))
            await self._commit_all(handler)
            self._preparing.cancel()
            heartbeats.cancel()

    async def _prepare_all(self, handler: Handler) -> None:
        while True:
            batch = await self._batches.get()
            try:
                stats = await handler.prepare(batch)
            except NotSent:
                self._send(BatchReturned(batch.number))
                continue
            self._prepared[batch.number] = batch
            self._send(BatchPrepared(batch.number, stats))

    async def _commit_all(self, handler: Handler) -> None:
        while (verdict := await self._verdicts.get()) is not None:
            for number in verdict.batches:
                batch = self._prepared.pop(number)
                result = await handler.commit(batch, may_write=verdict.may_write)
                self._send(BatchDone(number, result))

    def _stop(self) -> None:
        """Look at nothing more; what was to be finished is."""
        self._verdicts.put_nowait(None)
        if self._preparing is not None:
            self._preparing.cancel()

    async def _open_handler(self) -> Handler | None:
        """Open the handler, as long as the database needs; None when told to stop meanwhile."""
        while True:
            try:
                return await self._workload.open_handler(
                    shard=self._shard, budget=self._budget, breaker=self._breaker
                )
            except (StoreUnavailable, StoreRefused) as error:
                log.warning("worker.waits_for_store", reason=str(error))
                self._send(StoreUnreachable(str(error), BOOT_RETRY_SECONDS))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._verdicts.get(), BOOT_RETRY_SECONDS)
                return None

    async def _heartbeat(self, handler: Handler) -> None:
        while True:
            self._send(Heartbeat(handler.heartbeat()))
            await asyncio.sleep(HEARTBEAT_SECONDS)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        descriptor = self._connection.fileno()
        loop.add_reader(descriptor, self._receive)
        try:
            yield
        finally:
            loop.remove_reader(descriptor)

    def _receive(self) -> None:
        try:
            message: FromSupervisor = self._connection.recv()
        except (EOFError, OSError):
            _exit_orphaned()
        match message:
            case AssignBatch(batch=batch):
                self._batches.put_nowait(batch)
            case CommitBatches():
                self._verdicts.put_nowait(message)
            case BudgetGrant(number=number, is_first=is_first):
                self._budget.granted(number, is_first=is_first)
            case BudgetDenial(number=number):
                self._budget.denied(number)
            case Stop():
                self._stop()
            case _:
                assert_never(message)

    def _send(self, message: FromWorker) -> None:
        _send_or_exit(self._connection, message)


class BudgetClient:
    """The host's rate budget, which the parent keeps; asked over the pipe."""

    def __init__(self, send: Callable[[FromWorker], None]) -> None:
        self._send = send
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._first: asyncio.Task[Any] | None = None
        """Whose request went first after a pause."""

    async def take(self, weight: int) -> None:
        """Wait until the parent grants `weight`.

        Raises:
            NotSent: it does not, because this worker is to end.
        """
        number = next(self._numbers)
        granted = asyncio.get_running_loop().create_future()
        self._waiting[number] = granted
        try:
            self._send(BudgetRequest(number, weight))
            is_first = await granted
        finally:
            del self._waiting[number]
        if is_first:
            self._first = asyncio.current_task()

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Tell the parent how the request ended that it let go first after a pause."""
        if self._first is not None and self._first is asyncio.current_task():
            self._first = None
            self._send(ProbeEnded(is_alive))

    async def pause(self, seconds: float) -> None:
        """Tell the parent that the exchange wants silence."""
        self._send(RateLimitPause(seconds))

    async def observe(self, used_weight: int) -> None:
        """Tell the parent what the account has used."""
        self._send(WeightUsed(used_weight))

    def granted(self, number: int, *, is_first: bool = False) -> None:
        """Let the request go that waits under `number`; it may have been given up meanwhile."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(is_first)
        elif is_first:
            self._send(ProbeEnded(is_alive=False))

    def denied(self, number: int) -> None:
        """Let the request that waits under `number` end without being sent."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(NotSent("not sent: this worker is to end"))


def _send_or_exit(connection: Connection, message: FromWorker) -> None:
    try:
        connection.send(message)
    except OSError:
        _exit_orphaned()


def _exit_orphaned() -> NoReturn:
    """End at once: the parent is gone, or takes this worker for dead and has put another there."""
    os._exit(EX_SOFTWARE)


def _root_cause(failures: ExceptionGroup[Exception]) -> Exception:
    """Return what a person can fix, if it is among them."""
    fixable = (one for one in failures.exceptions if isinstance(one, ConfigurationError))
    return next(fixable, failures.exceptions[0])


def _exit_on_bug(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """End at once when a callback failed: a message of the parent's may be lost with it."""
    loop.default_exception_handler(context)
    if "handle" in context:
        os._exit(EX_SOFTWARE)


def _leave_signals_to_parent() -> None:
    """Ignore what a terminal sends to the whole group: the parent says when to stop.

    TERM ends a worker that is still opening its connections; later it is an order to finish.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit_with_parent() -> None:
    """End this process the moment its parent does, in a thread: the loop may be stuck.

    The sentinel is the parent's, also under a fork server, where `getppid` names the fork server.
    """
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        _exit_orphaned()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
