"""What the page on a second worker needs around it: its files, and a node that answers it."""

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
    """Write down what a reader of the page has written when he is through with it."""
    for marker, name in FILES.items():
        code = "\n\n\n".join(block.code for block in marked(marker))
        (folder / name).write_text(f"{code}\n", encoding="utf-8")


class Node:
    """Knows transactions by how deep they are; a depth may also be nonsense.

    While it is `held`, questions wait for their answer. So many questions about a transaction are
    answered with HTTP 503 as `failures` says of it. `deadly` is called when one is asked about that
    is in it, in place of an answer.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.depths: dict[str, object] = {}
        self.failures = Counter[str]()
        self.deadly: dict[str, Callable[[], None]] = {}
        self._asked = Counter[str]()
        self._news = threading.Condition()
        self._lets_go = threading.Event()
        self._lets_go.set()

    def hold(self) -> None:
        """Answer nothing for now."""
        self._lets_go.clear()

    def let_go(self) -> None:
        """Answer what waits, and from now on."""
        self._lets_go.set()

    def wait_until_asked(self, hash_: str, times: int = 1) -> None:
        """Wait until that many questions about a transaction have come."""
        with self._news:
            came = self._news.wait_for(lambda: self._asked[hash_] >= times, DEADLINE_SECONDS)
        assert came, f"{hash_} was asked for {self._asked[hash_]} times only"

    def asked(self, hash_: str) -> int:
        """Return how often a transaction was asked for."""
        with self._news:
            return self._asked[hash_]

    def answer(self, hash_: str) -> tuple[int, bytes]:
        """Return the answer: an HTTP status and a body."""
        with self._news:
            self._asked[hash_] += 1
            self._news.notify_all()
            is_failure = self.failures[hash_] > 0
            self.failures[hash_] -= is_failure
        self._lets_go.wait(DEADLINE_SECONDS)
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
        """Say nothing: who asked has been killed meanwhile."""


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
            node.let_go()
            server.shutdown()
            thread.join()
