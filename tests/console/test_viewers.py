"""However many look at the console, and however slowly: it stays small, and asks no more."""

import re
import socket
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from playwright.sync_api import expect

from reconciler.console.events import MOST_VIEWERS
from reconciler.console.pages import PAGES
from reconciler.console.poller import ROUNDS_BETWEEN_TRIMS

from .conftest import OpenPage, StartConsole
from .viewers import MOST_KIB, own_kib, viewer_that_reads_nothing, wait_for_snapshots

ROUNDS = 20
AT_ONCE = 500


def test_it_stays_small_after_use(start_console: StartConsole, ready_database_url: str) -> None:
    console = start_console(DATABASE_URL=ready_database_url)
    with console.signed_in() as client, ExitStack() as viewers:
        for _ in range(ROUNDS):
            viewers.enter_context(viewer_that_reads_nothing(console, client))
            for page in PAGES:
                assert client.get(page.path).status_code == 200
        wait_for_snapshots(client, ROUNDS_BETWEEN_TRIMS + 1)

        assert own_kib(console.pid) < MOST_KIB


def test_of_500_who_follow_at_once_as_many_are_let_in_as_there_is_room_for(
    start_console: StartConsole, ready_database_url: str
) -> None:
    console = start_console(DATABASE_URL=ready_database_url)
    with console.signed_in() as client, ExitStack() as viewers:
        at_once = [
            viewers.enter_context(viewer_that_reads_nothing(console, client))
            for _ in range(AT_ONCE)
        ]
        let_in = sum(map(_is_let_in, at_once))
        # The server also refuses some at its limit of connections, so there may still be room.
        while client.head("/events").status_code == 200:
            late = viewers.enter_context(viewer_that_reads_nothing(console, client))
            let_in += _is_let_in(late)
        with client.stream("GET", "/events") as refused:
            refused_text = "" if refused.status_code == 200 else refused.read().decode()

        assert let_in == MOST_VIEWERS
        assert refused.status_code == 503
        assert "follow this console already" in refused_text
        assert {client.get(page.path).status_code for page in PAGES} == {200}


def test_a_page_for_which_there_is_no_room_says_so_and_follows_when_there_is(
    start_console: StartConsole, ready_database_url: str, open_page: OpenPage
) -> None:
    console = start_console(DATABASE_URL=ready_database_url)
    with console.signed_in() as client, ExitStack() as viewers:
        while client.head("/events").status_code == 200:
            viewer = viewers.enter_context(viewer_that_reads_nothing(console, client))
            assert _is_let_in(viewer)
        page = open_page(console, allowed_error=re.compile("503"))
        expect(page.get_by_text("Too many pages follow this console")).to_be_visible()
        expect(page.get_by_text("The console does not answer")).to_be_hidden()

        viewers.close()

        expect(page.get_by_text("Too many pages follow this console")).to_be_hidden()


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


def _is_let_in(viewer: socket.socket) -> bool:
    """Wait for the status of the answer; if it is a refusal, for the end of the connection."""
    status = viewer.recv(len(b"HTTP/1.1 200"), socket.MSG_WAITALL)
    assert status in {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    if status.endswith(b"503"):
        _wait_for_its_end(viewer)
    return status.endswith(b"200")
