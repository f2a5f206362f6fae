"""A StatsD server for tests, with a real socket."""

import re
import select
import socket
import time
from collections import defaultdict
from collections.abc import Callable

from reconciler.statsd_target import StatsdTarget

from .commands import DEADLINE_SECONDS


class StatsdServer:
    """A UDP socket, with the values received by (kind, name), and the senders of each name.

    `timings` is how many durations of each name there were, as StatsD counts those of a sample.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)  # noqa: FBT003 - the socket's own signature
        self.values: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.packets = 0
        self.timings: dict[str, float] = defaultdict(float)
        self.senders: dict[str, set[int]] = defaultdict(set)

    @property
    def environment(self) -> dict[str, object]:
        """The settings that send metrics here."""
        return {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": self._socket.getsockname()[1]}

    @property
    def target(self) -> StatsdTarget:
        """The same, for a client in this process."""
        return StatsdTarget(
            host="127.0.0.1", port=self._socket.getsockname()[1], prefix="reconciler"
        )

    def read(self) -> None:
        """Read everything that has arrived."""
        while (packet := self._receive()) is not None:
            data, (_, port) = packet
            self.packets += 1
            for line in data.decode().splitlines():
                name, value, kind, *rate = re.split(r"[:|]", line)
                self.values[kind, name.removeprefix("reconciler.")].append(float(value))
                self.senders[name].add(port)
                if kind == "ms":
                    share = float(rate[0].removeprefix("@")) if rate else 1
                    self.timings[name.removeprefix("reconciler.")] += 1 / share

    def read_until(self, condition: Callable[[], bool]) -> None:
        """Read what arrives until a condition is true."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            last = {key: found[-1] for key, found in self.values.items() if found}
            assert time.monotonic() < deadline, last
            select.select([self._socket], [], [], 1)
            self.read()

    def total(self, name: str) -> float:
        """Return the total of a counter."""
        return sum(self.values["c", name])

    def names(self, kind: str) -> set[str]:
        """Return the names of a kind that have come: `c`, `ms` or `g`."""
        return {name for found, name in self.values if found == kind}

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> tuple[bytes, tuple[str, int]] | None:
        try:
            return self._socket.recvfrom(65_536)
        except BlockingIOError:
            return None
