"""A TCP proxy in front of an exchange that sends hostile answers among the good ones.

It is written on bare sockets, since no HTTP server would send most of these answers. It also
notices what no client may do: follow a redirect, or send a cookie back.
"""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.chaos.hostile_answers import (
    EndlessPart,
    GoodAnswer,
    HostileKind,
    Part,
    Pause,
    Reply,
    Sampler,
    answer,
)

LONGEST_REPLY_SECONDS = 20.0
"""The length of an endless answer if the client does not hang up."""

_DEADLINE_SECONDS = 300.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class HostileProxy:
    """Passes requests on to `target`, and answers back, for the length of a `with`.

    It runs in a thread of its own, so that its user may block.

    Attributes:
        url: Where it listens.
        trap: The address that every redirect leads to, and that no client may ask.
        answers: The number of answers sent so far.
        hostile_answers: The number of hostile answers among them, by kind.
        complaints: What clients did that they may not do, and how often.
    """

    url: str
    trap: str

    def __init__(self, target: str, *, rng: Random) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "127.0.0.1", address.port or 80)
        self._rng = rng
        self._share = 0.0
        self._left: int | None = None
        self._sampler: Sampler | None = None
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self.answers = 0
        self.hostile_answers: Counter[str] = Counter()
        self._latest: deque[tuple[float, str]] = deque(maxlen=50)
        self.complaints: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile-proxy")
        self._thread.start()
        self.url = self._run(self._listen(self._serve))
        self.trap = self._run(self._listen(self._record_redirect))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def sent_within(self, seconds: float, moment: float) -> list[str]:
        """Name the latest hostile answers that were sent at most `seconds` before a moment."""
        return [name for at, name in list(self._latest) if 0 <= moment - at <= seconds]

    def inject(
        self, kinds: tuple[HostileKind, ...], share: float, *, times: int | None = None
    ) -> None:
        """Answer this share of the requests in one of these ways, up to `times` times."""
        self._sampler = Sampler(kinds=kinds, rng=self._rng)
        self._left, self._share = times, share

    def stop_injecting(self) -> None:
        """From now on, pass every answer on as it is."""
        self._share = 0.0

    def _run(self, act: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(_DEADLINE_SECONDS)

    async def _listen(self, serve: Serve) -> str:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            try:
                # Only `_stop` cancels it: asyncio's server would log an error for a canceled task.
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                self._tasks.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _record_redirect(
        self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter
    ) -> None:
        asked = await reader.readline()
        self.complaints[f"a redirect was followed: {asked[:100]!r}"] += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_exchange, to_exchange = await asyncio.open_connection(*self._target)
        try:
            while head := await _read_request(reader):
                if b"\r\ncookie:" in head.lower():
                    self.complaints["a cookie was sent back"] += 1
                to_exchange.write(head)
                if not await self._answer(_route(head), from_exchange, writer):
                    return
        finally:
            to_exchange.transport.abort()

    async def _answer(
        self, route: str, exchange: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Send the answer, or a hostile one in its place; return True to keep the connection."""
        good = await _read_answer(route, exchange)
        self.answers += 1
        kind = self._draw(good)
        reply = Reply(parts=(answer(good),)) if kind is None else kind.make(good, self._rng)
        async with asyncio.timeout(LONGEST_REPLY_SECONDS):
            for part in reply.parts:
                await _send(part, writer)
        return not reply.closes

    def _draw(self, good: GoodAnswer) -> HostileKind | None:
        if self._sampler is None or self._left == 0 or self._rng.random() >= self._share:
            return None
        kind = self._sampler.draw(good)
        if kind is not None:
            self._latest.append((time.time(), kind.name))
            self.hostile_answers[kind.name] += 1
            self._left = None if self._left is None else self._left - 1
        return kind


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    """Read a request, which has no body; return nothing if the client has hung up."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _route(head: bytes) -> str:
    return urlsplit(head.split(b" ", 2)[1].decode("latin-1")).path.rpartition("/")[2]


async def _read_answer(route: str, exchange: asyncio.StreamReader) -> GoodAnswer:
    first, *lines = (await exchange.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name, value.strip()) for name, _, value in pairs)
    length = next(int(value) for name, value in headers if name.lower() == "content-length")
    return GoodAnswer(
        route=route,
        status=int(first.split(" ")[1]),
        headers=headers,
        body=await exchange.readexactly(length),
    )


async def _send(part: Part, writer: asyncio.StreamWriter) -> None:
    match part:
        case Pause(seconds=seconds):
            await writer.drain()
            await asyncio.sleep(seconds)
        case EndlessPart(part=again, pause_seconds=pause):
            while True:
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(pause)
        case _:
            writer.write(part)
            await writer.drain()
