"""A TCP proxy to a database, which can cut or freeze its connections as networks do."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from .commands import DEADLINE_SECONDS


class DatabaseProxy:
    """Passes TCP connections on to a database's unix socket, for the length of a `with`.

    It runs in a thread of its own, so that a test may block.
    """

    def __init__(self, database_url: str) -> None:
        self._database = urlsplit(database_url)
        (folder,) = parse_qs(self._database.query)["host"]
        self._target = Path(folder) / ".s.PGSQL.5432"
        self._loop = asyncio.new_event_loop()
        self._is_passing = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        self._is_passing.set()
        self.restore()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    @property
    def url(self) -> str:
        """The database's URL through this proxy."""
        netloc = f"postgres@127.0.0.1:{self.port}"
        return self._database._replace(netloc=netloc, query="").geturl()

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._call(self._cut)

    def restore(self) -> None:
        """Accept connections again, on the same port."""

        async def listen() -> None:
            self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(DEADLINE_SECONDS)

    def freeze(self) -> None:
        """Pass nothing on in either direction, but keep the connections open."""
        self._call(self._is_passing.clear)

    def thaw(self) -> None:
        """Pass everything on again, including what came in the meantime."""
        self._call(self._is_passing.set)

    def _call(self, act: Callable[[], None]) -> None:
        async def call() -> None:
            act()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result(DEADLINE_SECONDS)

    def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
        self._is_passing.set()
        for writer in self._writers:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            from_database, to_database = await asyncio.open_unix_connection(self._target)
            self._writers |= {writer, to_database}
            await asyncio.gather(self._pump(reader, to_database), self._pump(from_database, writer))
            self._writers -= {writer, to_database}

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                await self._is_passing.wait()
                target.write(chunk)
                await target.drain()
        target.close()
