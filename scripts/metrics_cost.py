"""Measure what sending metrics costs: time, processor time and packets. See scripts/metrics-cost.

Pairs of runs of `reconciler run --once` over the same orders, one with metrics and one without, in
alternating order: what else the machine does then hits both alike. The processor time is that of
the command and its workers; it measures the cost even on a busy machine. The packets are counted at
a UDP socket. After each run every row is compared with the exchange.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from scripts.benchmark.end_to_end.fixture import PaperFixture, open_fixture

ORDERS_PER_PACKET = 20
MEGABYTES = 3000

_COMMAND = (sys.executable, "-m", "reconciler", "run", "--once", "--json")
_REAPER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
code = subprocess.call(sys.argv[1:])
try:
    while True:
        os.wait()
except ChildProcessError:
    sys.exit(code)
"""
"""Runs a command, and waits for the processes that it leaves to end by themselves: the fork server
and the workers. Otherwise their processor time would not count. Linux only."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run: its time and its processor time in seconds, and the packets that it sent."""

    seconds: float
    processor_seconds: float
    packets: int


class PacketCounter:
    """A UDP socket that counts the packets that it gets, in a thread."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.packets = 0
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _count(self) -> None:
        while self._socket.recv(65_536) != b"end":
            self.packets += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the figures; return 1 if there were too many packets."""
    parser = argparse.ArgumentParser(prog="scripts/metrics-cost", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, metavar="N")
    parser.add_argument("--pairs", type=int, default=5, metavar="N")
    parser.add_argument("--shards", type=int, default=2, metavar="N")
    given = parser.parse_args(arguments)
    runs: dict[bool, list[Run]] = {True: [], False: []}
    with (
        open_scratch_database(None, needed_megabytes=MEGABYTES) as scratch,
        open_fixture(scratch, given.orders) as fixture,
    ):
        for pair in range(given.pairs):
            for is_on in (pair % 2 == 0, pair % 2 == 1):
                runs[is_on].append(measure(scratch, fixture, shards=given.shards, is_on=is_on))
                sys.stderr.write(f"metrics {'on ' if is_on else 'off'}: {runs[is_on][-1]}\n")
    packets = max(run.packets for run in runs[True])
    sys.stdout.write("\n".join(report(runs, given.orders, packets)) + "\n")
    return int(packets * ORDERS_PER_PACKET > given.orders)


def measure(scratch: ScratchDatabase, fixture: PaperFixture, *, shards: int, is_on: bool) -> Run:
    """Run once over all orders, with or without metrics.

    Raises:
        BenchFailed: not every row is right.
    """
    fixture.put_back(scratch)
    with PacketCounter() as counter:
        environment = os.environ | {
            "DATABASE_URL": scratch.url,
            "EXCHANGE_NAME": "paper",
            "EXCHANGE_BASE_URL": fixture.exchange_url,
            "EXCHANGE_API_KEY": fixture.api_key.get_secret_value(),
            "EXCHANGE_API_SECRET": fixture.api_secret.get_secret_value(),
            "LOG_LEVEL": "ERROR",
            "STATSD_HOST": "127.0.0.1" if is_on else "",
            "STATSD_PORT": str(counter.port),
        }
        before = _processor_seconds()
        ended = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", _REAPER, *_COMMAND, "--shards", str(shards)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        spent = _processor_seconds() - before
    fixture.require_done(scratch, "the command", fixture.orders, is_logged=True)
    return Run(
        seconds=json.loads(ended.stdout)["seconds"],
        processor_seconds=spent,
        packets=counter.packets,
    )


def report(runs: dict[bool, list[Run]], orders: int, packets: int) -> list[str]:
    """Return the figures, as lines of a table in Markdown."""
    lines = ["| | metrics off | metrics on | with metrics, more by |", "|---|---|---|---|"]
    for name, values in {
        "seconds": {is_on: [run.seconds for run in runs[is_on]] for is_on in runs},
        "processor seconds": {
            is_on: [run.processor_seconds for run in runs[is_on]] for is_on in runs
        },
    }.items():
        ratio = median(on / off for on, off in zip(values[True], values[False], strict=True))
        lines.append(
            f"| {name}, median of {len(values[True])} | {median(values[False]):.2f} |"
            f" {median(values[True]):.2f} | {100 * (ratio - 1):+.1f} % |"
        )
    return [*lines, f"| packets | 0 | {packets:,} | one for {orders / packets:.0f} orders |"]


def _processor_seconds() -> float:
    """Return the processor time of all children that have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
