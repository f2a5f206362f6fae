"""A worker process: an event loop that prepares batches and commits them when told to.

It does both concurrently: while the database writes one batch, the exchange is asked about the
next. At most one batch is being prepared and one committed, in the order of the messages.

It exits after `Stop` or TERM, and at once if the supervisor dies or closes the pipe. Its batches
are then assigned to another worker. So it may be killed at any moment and nothing is lost.
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
from reconciler.resilience.limits import Cost, LimitReading
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
    LimitRead,
    Misconfigured,
    NonceDenial,
    NonceGrant,
    ProbeEnded,
    RateLimitPause,
    Ready,
    Stop,
    StoreUnreachable,
)
from reconciler.worker.nonces import NonceClient
from reconciler.worker.outbox import Outbox
from reconciler.worker.release import own_release
from reconciler.workload import Batch, Handler, Workload

HEARTBEAT_SECONDS = 2.0
BOOT_RETRY_SECONDS = 1.0
EX_SOFTWARE = 70
EX_CONFIG = 78

log = structlog.get_logger(__name__)


def main(  # noqa: PLR0917 - multiprocessing passes them by position
    connection: Connection,
    stack_pipe: Connection,
    workload: Workload,
    shard: int,
    breaker: BreakerSnapshot | None,
    set_up_logging: Callable[[], None],
) -> None:
    """Run a worker until it is stopped: the target of its process.

    Args:
        connection: The pipe to the supervisor.
        stack_pipe: The pipe to write the stacks of all threads to, at each USR2.
        workload: The work to do.
        shard: The shard that this worker works for.
        breaker: The snapshot of the predecessor's circuit breaker.
        set_up_logging: Sets up logging; called first.
    """
    _ignore_terminal_signals()
    # The handler is written in C, so it works while Python is in an endless loop or blocked.
    faulthandler.register(signal.SIGUSR2, file=stack_pipe.fileno())
    _exit_with_supervisor()
    set_up_logging()
    outbox = Outbox(connection, on_gone=_exit_orphaned)
    try:
        asyncio.run(Worker(connection, outbox, workload, shard, breaker).run())
    except ConfigurationError as error:
        log.error("worker.misconfigured", problem=str(error))  # noqa: TRY400 - a person's error
        outbox.send(Misconfigured(error.problems))
        sys.exit(EX_CONFIG)
    except Exception:
        # Multiprocessing would print it unmasked, with any secrets that it holds.
        log.exception("worker.bug")
        sys.exit(EX_SOFTWARE)
    finally:
        outbox.close()


class Worker:
    """Receives the supervisor's messages and calls the handler."""

    def __init__(
        self,
        connection: Connection,
        outbox: Outbox,
        workload: Workload,
        shard: int,
        breaker: BreakerSnapshot | None,
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._workload = workload
        self._shard = shard
        self._breaker = breaker
        self._batches: asyncio.Queue[Batch] = asyncio.Queue()
        self._commit_orders: asyncio.Queue[CommitBatches | None] = asyncio.Queue()
        """The batches to commit; None after the last."""
        self._budget = BudgetClient(self._send)
        self._nonces = NonceClient(self._send)
        self._preparing: asyncio.Task[None] | None = None
        self._prepared: dict[int, Batch] = {}

    async def run(self) -> None:
        """Open the handler, then work until told to stop."""
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
        """Prepare and commit concurrently, until told to stop and all is committed."""
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
        while (order := await self._commit_orders.get()) is not None:
            for number in order.batches:
                batch = self._prepared.pop(number)
                result = await handler.commit(batch, may_write=order.may_write)
                self._send(BatchDone(number, result))

    def _stop(self) -> None:
        """Prepare nothing more; commit the batches whose commit was ordered, then exit."""
        self._commit_orders.put_nowait(None)
        if self._preparing is not None:
            self._preparing.cancel()

    async def _open_handler(self) -> Handler | None:
        """Open the handler; retry while the database is unavailable. None if told to stop."""
        while True:
            try:
                return await self._workload.open_handler(
                    shard=self._shard,
                    budget=self._budget,
                    nonces=self._nonces,
                    breaker=self._breaker,
                )
            except (StoreUnavailable, StoreRefused) as error:
                log.warning("worker.waits_for_store", reason=str(error))
                self._send(StoreUnreachable(str(error), BOOT_RETRY_SECONDS))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._commit_orders.get(), BOOT_RETRY_SECONDS)
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
                self._commit_orders.put_nowait(message)
            case BudgetGrant(number=number, is_probe=is_probe):
                self._budget.grant(number, is_probe=is_probe)
            case BudgetDenial(number=number):
                self._budget.deny(number)
            case NonceGrant(number=number, nonce=nonce):
                self._nonces.grant(number, nonce)
            case NonceDenial(number=number):
                self._nonces.deny(number)
            case Stop():
                self._stop()
            case _:
                assert_never(message)

    def _send(self, message: FromWorker) -> None:
        self._outbox.send(message)


class BudgetClient:
    """The worker's client of the rate budget that the supervisor keeps for the whole host."""

    def __init__(self, send: Callable[[FromWorker], None]) -> None:
        self._send = send
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._probe: asyncio.Task[Any] | None = None
        """The task that sends the first request after a rate-limit pause."""

    async def take(self, cost: Cost) -> None:
        """Wait until the supervisor grants `cost`.

        Raises:
            NotSent: it was denied, because this worker is shutting down.
        """
        number = next(self._numbers)
        granted = asyncio.get_running_loop().create_future()
        self._waiting[number] = granted
        try:
            self._send(BudgetRequest(number, dict(cost)))
            is_probe = await granted
        finally:
            del self._waiting[number]
        if is_probe:
            self._probe = asyncio.current_task()

    async def record_outcome(self, *, is_alive: bool) -> None:
        """Report how a request ended, if it was the first after a rate-limit pause."""
        if self._probe is not None and self._probe is asyncio.current_task():
            self._probe = None
            self._send(ProbeEnded(is_alive))

    async def pause(self, seconds: float) -> None:
        """Report that the exchange has asked for a rate-limit pause."""
        self._send(RateLimitPause(seconds))

    async def observe(self, reading: LimitReading) -> None:
        """Report what an answer says about one limit."""
        self._send(LimitRead(reading))

    def grant(self, number: int, *, is_probe: bool = False) -> None:
        """Release the request that waits under `number`; it may have been cancelled meanwhile."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(is_probe)
        elif is_probe:
            self._send(ProbeEnded(is_alive=False))

    def deny(self, number: int) -> None:
        """Fail the request that waits under `number` with `NotSent`."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_exception(NotSent("not sent: this worker is shutting down"))


def _exit_orphaned() -> NoReturn:
    """Exit at once: the supervisor is dead, or has closed the pipe and replaced this worker."""
    os._exit(EX_SOFTWARE)


def _root_cause(failures: ExceptionGroup[Exception]) -> Exception:
    """Return the error that a person can fix, if there is one, else the first."""
    fixable = (error for error in failures.exceptions if isinstance(error, ConfigurationError))
    return next(fixable, failures.exceptions[0])


def _exit_on_bug(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Exit at once if a callback failed: a message from the supervisor may have been lost."""
    loop.default_exception_handler(context)
    if "handle" in context:
        os._exit(EX_SOFTWARE)


def _ignore_terminal_signals() -> None:
    """Ignore the signals of a terminal to the whole group: the supervisor says when to stop.

    TERM ends a worker that is still opening its connections; later it lets it commit, then exit.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit_with_supervisor() -> None:
    """Exit when the supervisor dies. A thread watches it, because the loop may be stuck.

    The sentinel is the supervisor's even under a fork server; `getppid` returns the fork server.
    """
    supervisor = parent_process()
    if supervisor is None:
        return

    def watch() -> None:
        wait([supervisor.sentinel])
        _exit_orphaned()

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
