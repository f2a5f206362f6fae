"""Viewers of the console who never read, and what the console's process needs."""

import re
import socket
from pathlib import Path

import httpx

from .processes import RunningConsole

MOST_KIB = 72 * 1024
"""What the console's process may need, alone on a machine: measured 62 to 68 MiB.

It shares libraries with other programs of the same installation, and needs less next to them. The
aim of 60 MiB is reached only there, and not always.
"""


def viewer_that_reads_nothing(console: RunningConsole, client: httpx.Client) -> socket.socket:
    """Connect as a viewer, and never read an event."""
    port = int(str(console.announced["port"]))
    viewer = socket.create_connection(("127.0.0.1", port))
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    request = f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookies}\r\n\r\n"
    viewer.sendall(request.encode())
    return viewer


def wait_for_snapshots(client: httpx.Client, count: int) -> None:
    """Wait until there have been some more snapshots."""
    with client.stream("GET", "/events") as stream:
        numbers = (line for line in stream.iter_lines() if line.startswith("data: "))
        for _ in range(count):
            next(numbers)


def own_kib(pid: int) -> int:
    """Return what a process has of its own, and its share of what it shares: the PSS."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found[1])
