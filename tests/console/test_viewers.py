"""However many look at the console, and however slowly: it stays small, and asks no more."""

import socket
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import httpx

from reconciler.console.events import MOST_VIEWERS
from reconciler.console.pages import PAGES
from reconciler.console.poller import ROUNDS_BETWEEN_TRIMS

from .conftest import StartConsole
from .viewers import MOST_KIB, own_kib, viewer_that_reads_nothing, wait_for_snapshots

ROUNDS = 20


def test_it_needs_at_most_60_mib_after_use(
    start_console: StartConsole, ready_database_url: str
) -> None:
    console = start_console(DATABASE_URL=ready_database_url)
    with console.signed_in() as client, ExitStack() as viewers:
        for _ in range(ROUNDS):
            viewers.enter_context(viewer_that_reads_nothing(console, client))
            for page in PAGES:
                assert client.get(page.path).status_code == 200
        wait_for_snapshots(client, ROUNDS_BETWEEN_TRIMS + 1)

        assert own_kib(console.pid) < MOST_KIB


def test_more_viewers_than_it_follows_get_a_page_that_says_so(
    start_console: StartConsole, ready_database_url: str
) -> None:
    console = start_console(DATABASE_URL=ready_database_url)
    with console.signed_in() as client, ExitStack() as viewers:
        for _ in range(MOST_VIEWERS):
            viewers.enter_context(viewer_that_reads_nothing(console, client))
        _wait_until_all_follow(client)
        refused = client.get("/events")

        assert refused.status_code == 503
        assert "follow this console already" in refused.text
        assert client.get("/").status_code == 200


def test_connections_that_send_no_request_are_closed(
    start_console: StartConsole, ready_database_url: str
) -> None:
    console = start_console(DATABASE_URL=ready_database_url)
    address = ("127.0.0.1", urlsplit(console.url).port)
    beginnings = (
        b"",
        b"GET / HTTP/1.1\r\nHost: ",
        b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n",
    )
    with ExitStack() as closing:
        connections = [
            closing.enter_context(socket.create_connection(address, timeout=60))
            for _ in range(100)
            for _ in beginnings
        ]
        for connection, beginning in zip(connections, 100 * beginnings, strict=True):
            connection.sendall(beginning)

        for connection in connections:
            _wait_for_its_end(connection)

        with console.signed_in() as client:
            assert client.get("/").status_code == 200


def _wait_for_its_end(connection: socket.socket) -> None:
    with suppress(ConnectionError):
        while connection.recv(65_536):
            pass


def _wait_until_all_follow(client: httpx.Client) -> None:
    """Wait until there is no room for another viewer."""
    while True:
        with client.stream("GET", "/events") as stream:
            if stream.status_code == 503:
                return
