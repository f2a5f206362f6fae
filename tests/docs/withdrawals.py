"""The files of the page on a second worker, and a node that answers its requests."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..e2e.commands import DEADLINE_SECONDS  # noqa: TID252 - tests are no package
from .documents import marked

FILES = {
    "withdrawals_py": "withdrawals.py",
    "test_withdrawals_py": "test_withdrawals.py",
    "withdrawals_sql": "withdrawals.sql",
    "withdrawals_conf": "withdrawals.conf",
}


def write_files(folder: Path) -> None:
    """Write the files that a reader of the page has at its end."""
    for marker, name in FILES.items():
        code = "\n\n\n".join(block.code for block in marked(marker))
        (folder / name).write_text(f"{code}\n", encoding="utf-8")


class Node:
    """A node with transactions and their depths; a depth may also be nonsense.

    After `hold`, requests wait for their answer until `release`. `failures` has the number of
    requests for a transaction that are answered with HTTP 503. For a transaction in `deadly`, its
    function is called before the answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.depths: dict[str, object] = {}
        self.failures = Counter[str]()
        self.deadly: dict[str, Callable[[], None]] = {}
        self._requests = Counter[str]()
        self._news = threading.Condition()
        self._is_released = threading.Event()
        self._is_released.set()

    def hold(self) -> None:
        """Keep requests waiting for their answer."""
        self._is_released.clear()

    def release(self) -> None:
        """Answer the waiting requests, and all later ones."""
        self._is_released.set()

    def wait_for_requests(self, hash_: str, times: int = 1) -> None:
        """Wait for a number of requests for a transaction."""
        with self._news:
            have_come = self._news.wait_for(
                lambda: self._requests[hash_] >= times, DEADLINE_SECONDS
            )
        assert have_come, f"only {self._requests[hash_]} requests for {hash_} came"

    def request_count(self, hash_: str) -> int:
        """Return the number of requests for a transaction."""
        with self._news:
            return self._requests[hash_]

    def answer(self, hash_: str) -> tuple[int, bytes]:
        """Return the answer: an HTTP status and a body."""
        with self._news:
            self._requests[hash_] += 1
            self._news.notify_all()
            is_failure = self.failures[hash_] > 0
            self.failures[hash_] -= is_failure
        self._is_released.wait(DEADLINE_SECONDS)
        if hash_ in self.deadly:
            self.deadly[hash_]()
        if is_failure:
            return 503, b""
        if hash_ not in self.depths:
            return 404, b""
        return 200, json.dumps({"confirmations": self.depths[hash_]}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: the client has been killed in the meantime."""


@contextmanager
def serve_node() -> Iterator[Node]:
    """Serve a node on this machine for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = node.answer(self.path.removeprefix("/tx/"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing to standard error."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        node = Node(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, name="node")
        thread.start()
        try:
            yield node
        finally:
            node.release()
            server.shutdown()
            thread.join()
