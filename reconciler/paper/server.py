"""Run the paper exchange as a server: in this thread until a signal, or in another one for tests.

To run it as a child process, see `PaperProcess`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reconciler.http_server import GRACE_SECONDS, Server, bind
from reconciler.paper.app import CLOSE_CONNECTION, build_app
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects import DEFAULT, load_dialect
from reconciler.paper.exchange import ACCOUNT_UID, PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.orders import SeedOptions
from reconciler.paper.process import PaperProcess
from reconciler.paper.request_log import RequestLog

__all__ = ["PaperProcess", "new_exchange", "serve", "serve_in_thread", "url_of"]

_START_SECONDS = 30
_KEEP_ALIVE_SECONDS = 75


def new_exchange(
    dialect: str = DEFAULT,
    *,
    access: AccessPolicy | None = None,
    weight_limit: int | None = None,
    has_limits: bool = True,
    rule: FaultRule | None = None,
    seed_options: SeedOptions | None = None,
    account_id: int = ACCOUNT_UID,
) -> PaperExchange:
    """Return an exchange with this machine's clock; without `seed_options` it has no orders.

    `weight_limit` replaces the amount of the dialect's first limit; with `has_limits=False`
    requests are counted but not limited.

    Raises:
        UnknownDialect: there is no such dialect.
        ValueError: the dialect cannot use `access`.
    """
    spoken = load_dialect(dialect)
    access = access or AccessPolicy()
    problem = spoken.access_problem(access)
    if problem is not None:
        raise ValueError(problem)
    exchange = PaperExchange(
        dialect=spoken,
        clock_ms=_clock_ms,
        sleep=asyncio.sleep,
        request_log=RequestLog(started_ms=_clock_ms()),
        access=access,
        meter=spoken.new_meter(weight_limit, is_enforced=has_limits),
        account_id=account_id,
    )
    if rule is not None:
        exchange.faults.set(rule, exchange.clock_ms())
    if seed_options is not None:
        exchange.seed(seed_options)
    return exchange


def url_of(listener: socket.socket) -> str:
    """Return a listener's URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    exchange: PaperExchange,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None],
    die_with_stdin: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` gets the URL once requests are answered.

    With `die_with_stdin` the end of standard input also ends the server. If only the parent holds
    the other end of that pipe, the server ends with the parent, even if the parent is killed.
    """
    server = _Server(exchange, lambda: on_ready(url_of(listener)))
    if die_with_stdin:
        threading.Thread(target=_await_end_of_stdin, args=[server], daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    server.run(sockets=[listener])


@contextlib.contextmanager
def serve_in_thread(exchange: PaperExchange) -> Iterator[str]:
    """Serve on a free loopback port in another thread; yield the URL."""
    listener = bind("127.0.0.1", 0)
    ready = threading.Event()
    server = _Server(exchange, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield _url_when_ready(ready, listener)
    finally:
        server.stop()
        thread.join()


def _url_when_ready(ready: threading.Event, listener: socket.socket) -> str:
    url = url_of(listener)
    if not ready.wait(_START_SECONDS):
        raise TimeoutError(f"the server for {url} did not start in {_START_SECONDS} s")
    return url


class _Protocol(HttpToolsProtocol):
    """HTTP that lets the application close the connection instead of answering."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CLOSE_CONNECTION: self.transport.close}  # type: ignore[dict-item]  # uvicorn knows only the standard's extensions


class _Server(Server):
    def __init__(self, exchange: PaperExchange, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                build_app(exchange),
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            ),
            on_ready,
        )


def _await_end_of_stdin(server: _Server) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    server.stop()


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000
