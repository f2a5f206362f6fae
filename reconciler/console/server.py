"""Listen, and serve the console until a signal."""

import signal
import socket
from collections.abc import Callable

import uvicorn
from anyio import to_thread

from reconciler import __version__
from reconciler.console.addresses import OwnOrigins
from reconciler.console.app import build_app
from reconciler.console.connections import Connection
from reconciler.console.context import Console
from reconciler.console.database_pool import DatabasePool
from reconciler.console.options import ConsoleOptions
from reconciler.console.pages import PAGES
from reconciler.console.poller import Poller
from reconciler.console.static_files import StaticFiles
from reconciler.console.templating import Templates
from reconciler.http_server import GRACE_SECONDS, Server
from reconciler.settings import Settings

BACKLOG = 128
_MOST_CONNECTIONS = 256
PAGES_AT_ONCE = 6


def new_console(
    settings: Settings, options: ConsoleOptions, port: int, static_files: StaticFiles
) -> Console:
    """Return the console that listens on a port.

    Raises:
        ConfigurationError: no database is set, or its URL is wrong.
    """
    templates = Templates(
        base_path=options.base_path,
        static_files=static_files,
        version=__version__,
        pages=PAGES,
        operator=options.operator,
        scope=settings.scope,
        exchange=settings.exchange_name,
    )
    databases = DatabasePool(settings)
    return Console(
        settings=settings,
        options=options,
        origins=OwnOrigins(host=options.host, port=port, public=options.public_origin),
        databases=databases,
        poller=Poller(settings, databases),
        templates=templates,
    )


def serve(
    settings: Settings,
    options: ConsoleOptions,
    listener: socket.socket,
    *,
    on_ready: Callable[[Console], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `on_ready` is called once requests are answered.

    Raises:
        ConfigurationError: no database is set, or its URL is wrong.
    """
    static_files = StaticFiles()
    console = new_console(settings, options, listener.getsockname()[1], static_files)
    server = _Server(console, static_files, lambda: on_ready(console))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    signal.signal(signal.SIGUSR1, lambda _number, _frame: on_ready(console))
    console.poller.on_news = console.news.publish
    console.poller.start()
    try:
        server.run(sockets=[listener])
    finally:
        console.poller.stop()
        console.databases.close()


class _Server(Server):
    """The console's server, which sends the viewers away before it ends."""

    def __init__(
        self, console: Console, static_files: StaticFiles, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                build_app(console, static_files),
                http=Connection,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            ),
            on_ready,
        )
        self._console = console

    def stop(self) -> None:
        """Send the viewers away, answer pending requests, then end. Safe from a signal handler."""
        self._console.news.close()
        super().stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Most need one of the few database connections, so more of them would only wait.
        to_thread.current_default_thread_limiter().total_tokens = PAGES_AT_ONCE
        self._console.news.open()
        await super().startup(sockets)
