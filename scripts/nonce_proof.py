"""Prove that the nonces of a key only grow, as the exchange sees them.

    scripts/nonce-proof
    scripts/nonce-proof --short --json

A real supervisor with 4 worker processes sends requests of one key to a server on this machine. The
server refuses each nonce that is not greater than the last. It answers after a random time, so that
requests would overtake each other if several were in flight. Meanwhile

- workers are killed, while they wait for an answer and while they do not;
- after a third the supervisor is killed, and the next one's clock is an hour slow;
- after two thirds it is stopped, and the next one's clock is a day slow.

Ends with code 1 if a nonce was refused, or if anything else went wrong.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import TypeVar

import httpx
from pydantic import SecretStr

from reconciler.cli.interrupts import interrupt_on_signals
from reconciler.embedded import embedded_postgres
from reconciler.errors import BreakerOpen, ClockSkew, ExchangeError, NotSent
from reconciler.exchanges.api_client import ApiClient, ApiRequest
from reconciler.exchanges.api_errors import Decoder, ErrorResponse
from reconciler.exchanges.http_client import HttpRequest, HttpResponse
from reconciler.exchanges.request_policy import RequestPolicy, UsageCounter
from reconciler.resilience import nonces as nonce_module
from reconciler.resilience.breaker import Breaker
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.resilience.limits import LimitReading
from reconciler.resilience.nonces import Nonces
from reconciler.scope import UNSCOPED, Scope
from reconciler.settings import BreakerPolicy, Credentials, RetryPolicy
from reconciler.store import migrations, sample_orders, shared_state
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.supervisor.options import Options
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import NoMetrics
from reconciler.workload import (
    NO_BREAKER,
    AnomalyStats,
    Batch,
    Chunk,
    Counts,
    Handler,
    Page,
    Planner,
    Result,
    Workload,
)

T = TypeVar("T")

SHARDS = 4
AT_ONCE = 4
"""Requests that each worker would send at once."""

SYMBOLS = 40
CHUNK_ITEMS = 5
EXCHANGE = "proof"
MAX_ANSWER_SECONDS = 0.004
KILLED_EVERY = 150
"""A worker is killed after about this number of requests."""

SLOW_CLOCKS = (timedelta(0), timedelta(hours=1), timedelta(days=1))
STALL_SECONDS = 120.0
"""Only for a supervisor that hangs: a busy machine needs a fraction of it."""


# The exchange.


@dataclass(kw_only=True)
class NonceServer:
    """Refuses each nonce that is not greater than the last. Its thread is the only writer."""

    chance: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - no secret
    seen: int = 0
    refused: list[tuple[int, int]] = field(default_factory=list)
    """Each nonce that was not greater, with the greatest before it."""
    last: int = 0
    killed: list[int] = field(default_factory=list)
    senders: set[int] = field(default_factory=set)
    may_kill: bool = True
    progress: threading.Condition = field(default_factory=threading.Condition)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(
                    line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2]
                )
                body = await reader.readexactly(int(fields["content-length"]))
                text = await self._judge(int(body), int(fields["x-sender"]))
                answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}"
                writer.write(answer.encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _judge(self, nonce: int, sender: int) -> str:
        is_greater = nonce > self.last
        with self.progress:
            self.seen += 1
            self.senders.add(sender)
            if not is_greater:
                self.refused.append((nonce, self.last))
            self.progress.notify_all()
        self.last = max(self.last, nonce)
        is_victim = self.may_kill and self.chance.random() < 1 / KILLED_EVERY
        if is_victim:
            # Half of them before they have their answer.
            delay = self.chance.choice((0.0, 0.01))
            asyncio.get_running_loop().call_later(delay, self._kill, sender)
        await asyncio.sleep(self.chance.uniform(0, MAX_ANSWER_SECONDS))
        return "ok" if is_greater else "refused"

    def _kill(self, sender: int) -> None:
        try:
            os.kill(sender, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed.append(sender)

    def wait_for(self, requests: int, is_running: Callable[[], bool]) -> None:
        """Wait until this many requests have arrived.

        Raises:
            RuntimeError: the supervisor has ended, or no request arrives.
        """
        with self.progress:
            while self.seen < requests:
                before = self.seen
                deadline = time.monotonic() + STALL_SECONDS
                while self.seen == before:
                    if not is_running():
                        raise RuntimeError("the supervisor has ended")
                    if time.monotonic() > deadline:
                        raise RuntimeError("no request arrives any more")
                    self.progress.wait(1.0)


@contextmanager
def serving(server: NonceServer) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(server.answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


class ProofApi:
    """The dialect of the server: a nonce is the body of a POST."""

    signs_with_time = False
    time_request = ApiRequest(path="/time", cost={})

    def __init__(self, url: str) -> None:
        self._url = url

    def signed(self, request: ApiRequest, server_time: datetime, nonce: int | None) -> HttpRequest:  # noqa: ARG002 - the protocol's
        """Write the nonce."""
        return HttpRequest(
            method="POST",
            url=f"{self._url}{request.path}",
            headers={"X-Sender": str(os.getpid())},
            body=str(nonce).encode(),
        )

    def unsigned(self, request: ApiRequest) -> HttpRequest:
        """Write no nonce: not used here."""
        return HttpRequest(url=f"{self._url}{request.path}", headers={})

    def decode(
        self,
        request: ApiRequest,  # noqa: ARG002 - the protocol's
        response: HttpResponse,
        decode: Decoder[T],
    ) -> T | ErrorResponse:
        """Return the answer.

        Raises:
            ClockSkew: the nonce was refused.
        """
        if response.body != b"ok":
            raise ClockSkew("the nonce was refused")
        return decode(response.body)

    def decode_time(self, body: bytes) -> int:
        """Not used here."""
        return int(body)

    def readings(self, request: ApiRequest, headers: httpx.Headers) -> tuple[LimitReading, ...]:  # noqa: ARG002 - the protocol's
        """Nothing is said of limits."""
        return ()


# The work.


@dataclass(frozen=True)
class Request:
    """An item: one request."""

    id: int


@dataclass(frozen=True, kw_only=True)
class NonceWorkload(Workload):
    """Sends requests without end."""

    url: str
    database_url: str

    def open_planner(self) -> "NoncePlanner":
        """Open the supervisor's side."""
        return NoncePlanner(self.database_url)

    async def open_handler(
        self,
        *,
        shard: int,  # noqa: ARG002 - the protocol's
        budget: Budget,
        nonces: Nonces,
        breaker: BreakerSnapshot | None,  # noqa: ARG002 - the protocol's
    ) -> "NonceHandler":
        """Open a worker's side."""
        usage = UsageCounter()
        policy = RequestPolicy(
            budget=budget, breaker=Breaker(BreakerPolicy()), retry=RetryPolicy(), usage=usage
        )
        api = ApiClient(
            ProofApi(self.url),
            client=httpx.AsyncClient(trust_env=False),
            sender=policy,
            budget=budget,
            credentials=Credentials(api_key=SecretStr("k"), api_secret=SecretStr("s")),
            clock=lambda: datetime.now(UTC),
            nonces=nonces,
        )
        return NonceHandler(api, usage)


class NoncePlanner(Planner):
    """Plans further requests, and reserves nonces in the database."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, role="supervisor")
        self._scope = Scope(UNSCOPED)
        self._next = 0

    def plan(self, limit: int, after: Hashable | None) -> Page:  # noqa: ARG002 - the pages are cut
        """Return a page of requests that no page before had."""
        first, self._next = self._next, self._next + SYMBOLS * CHUNK_ITEMS
        chunks = tuple(
            Chunk(
                key=f"S{symbol}",
                items=tuple(
                    Request(id=first + symbol * CHUNK_ITEMS + number)
                    for number in range(CHUNK_ITEMS)
                ),
            )
            for symbol in range(SYMBOLS)
        )
        return Page(chunks=chunks)

    def reserve_nonces(self, least: int, count: int) -> int:
        """Reserve, as the planner of orders does."""
        with self._database.transaction() as connection:
            return shared_state.reserve_nonces(
                connection, self._scope, EXCHANGE, least=least, count=count
            )

    def close(self) -> None:
        """Close the connection."""
        self._database.close()


class NonceHandler(Handler):
    """Sends a request for each item, several at once."""

    def __init__(self, api: ApiClient, usage: UsageCounter) -> None:
        self._api = api
        self._usage = usage
        self._errors: dict[int, int] = {}

    async def prepare(self, batch: Batch) -> AnomalyStats:
        """Send the requests."""
        items = [item for chunk in batch.chunks for item in chunk.items]
        semaphore = asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(
            *(self._send(semaphore) for _ in items), return_exceptions=True
        )
        for denied in (result for result in results if isinstance(result, NotSent)):
            raise denied
        self._errors[batch.number] = sum(result is not None for result in results)
        return AnomalyStats()

    async def _send(self, semaphore: asyncio.Semaphore) -> str | None:
        async with semaphore:
            try:
                await self._api.post("/private", {}, {}, bytes.decode)
            except (ExchangeError, BreakerOpen) as error:
                return str(error)
        return None

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:  # noqa: ARG002 - nothing is written
        """Count."""
        errors = self._errors.pop(batch.number)
        usage = self._usage.take()
        counts = Counts(
            scanned=batch.size,
            reconciled=batch.size - errors,
            errors=errors,
            requests=usage.requests,
        )
        return Result(counts=counts, breaker=NO_BREAKER)

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


# The supervisor.


def supervise(url: str, database_url: str, slow_clock: timedelta) -> int:
    """Supervise until stopped, with a clock that is slow."""
    slow_ns = int(slow_clock.total_seconds()) * 10**9
    nonce_clock = SimpleNamespace(time_ns=lambda: time.time_ns() - slow_ns)
    vars(nonce_module)["time"] = nonce_clock
    options = Options(
        shards=SHARDS,
        batch_size=10,
        interval=timedelta(milliseconds=1),
        drain=timedelta(seconds=20),
        rate_share=1.0,
        # This is about nonces: the killed workers are replaced at once.
        restarts=RestartPolicy(most=10_000, initial=timedelta(0), cap=timedelta(0)),
        start_timeout=timedelta(seconds=120),
    )
    supervisor = Supervisor(
        NonceWorkload(url=url, database_url=database_url),
        options,
        metrics=NoMetrics(),
        set_up_worker=_set_up_worker,
    )
    summary = asyncio.run(supervisor.run())
    print(json.dumps({"errors": summary.counts.errors, "restarts": summary.restarts}))
    return 0


def _nothing() -> None:
    """Set up nothing."""


def _set_up_worker(_shard: int) -> Callable[[], None]:
    return _nothing


# The proof.


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was seen.

    Attributes:
        requests: The requests that arrived, each with a nonce.
        refused: Those whose nonce was not greater than the last.
        workers: The worker processes that sent any.
        killed: The workers that were killed.
        supervisors: How many supervisors there were, one after another.
        seconds: How long it took.
    """

    requests: int
    refused: int
    workers: int
    killed: int
    supervisors: int
    seconds: float


def prove(requests: int) -> Proof:
    """Send this many requests under three supervisors.

    Raises:
        RuntimeError: no requests arrive any more.
    """
    server = NonceServer()
    started = time.monotonic()
    with embedded_postgres() as database_url, serving(server) as port:
        _create_tables(database_url)
        url = f"http://127.0.0.1:{port}"
        for number, slow_clock in enumerate(SLOW_CLOCKS, start=1):
            with supervised(url, database_url, slow_clock) as process:
                server.wait_for(
                    requests * number // len(SLOW_CLOCKS), lambda: process.poll() is None
                )
                if number == 1:
                    process.kill()
                else:
                    process.terminate()
                process.wait()
    return Proof(
        requests=server.seen,
        refused=len(server.refused),
        workers=len(server.senders),
        killed=len(server.killed),
        supervisors=len(SLOW_CLOCKS),
        seconds=round(time.monotonic() - started, 1),
    )


def _create_tables(database_url: str) -> None:
    database = Database(database_url, role="proof")
    try:
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
        with database.connection() as connection:
            migrations.upgrade(connection, DEFAULT_TABLE)
    finally:
        database.close()


@contextmanager
def supervised(
    url: str, database_url: str, slow_clock: timedelta
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a supervisor in a process of its own; kill it at the end."""
    command = [sys.executable, "-P", "-m", "scripts.nonce_proof", "--supervise", url]
    seconds = str(int(slow_clock.total_seconds()))
    environment = os.environ | {"PROOF_DATABASE_URL": database_url, "PROOF_SLOW_SECONDS": seconds}
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def complaints(proof: Proof) -> Iterator[str]:
    """Describe what a proof lacks."""
    if proof.refused:
        yield f"{proof.refused} of {proof.requests} nonces were not greater than the last"
    if proof.workers < SHARDS + 1 or not proof.killed:
        yield f"only {proof.workers} workers sent anything, and {proof.killed} were killed"


def main() -> int:
    """Prove it; return the exit code."""
    parser = argparse.ArgumentParser(description="Prove that the nonces of a key only grow.")
    parser.add_argument("--short", action="store_true", help="1,200 requests instead of 10,000")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--supervise", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.supervise is not None:
        slow_clock = timedelta(seconds=int(os.environ["PROOF_SLOW_SECONDS"]))
        return supervise(arguments.supervise, os.environ["PROOF_DATABASE_URL"], slow_clock)
    with interrupt_on_signals():
        proof = prove(1200 if arguments.short else 10_000)
    found = list(complaints(proof))
    if arguments.json:
        print(json.dumps(asdict(proof) | {"complaints": found}))
        return 1 if found else 0
    print(
        f"{proof.requests:,} requests of {proof.workers} worker processes, {proof.killed} of them"
        f" killed, under {proof.supervisors} supervisors, in {proof.seconds:g} s:"
        f" {proof.refused} nonces refused"
    )
    for complaint in found:
        print(f"complaint: {complaint}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
