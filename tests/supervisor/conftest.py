"""A workspace for the fake workload, a journal of its workers, and supervisors to run it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.address import ControlAddress
from reconciler.control.handlers import ControlHandlers
from reconciler.control.server import ControlServer
from reconciler.supervisor.options import Options
from reconciler.supervisor.summary import Summary
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import Metrics, NoMetrics
from reconciler.worker.messages import FromWorker

from .fake_workload import FakeWorkload, Workspace
from .run_fake_workload import set_up_worker

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 300.0

Line = dict[str, Any]


@dataclass
class Journal:
    """The events so far, and a way to wait for more. Nothing here sleeps."""

    lines: list[Line] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self._news.set()

    def all(self, event: str, **facts: object) -> list[Line]:
        """Return the lines of one kind of event."""
        return [
            line for line in self.lines if line["event"] == event and facts.items() <= line.items()
        ]

    def ids(self, event: str, **facts: object) -> list[int]:
        """Return the items of one kind of event, in its order."""
        return [line["id"] for line in self.all(event, **facts)]

    async def wait(self, event: str, count: int = 1, **facts: object) -> Line:
        """Wait for the `count`th such event; return it."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(found := self.all(event, **facts)) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


class Watched(Supervisor):
    """A supervisor that also keeps what its workers said."""

    def watch(self) -> None:
        self.received: list[FromWorker] = []
        self.coordinator = self._coordinator
        self._news = asyncio.Event()
        act = self._coordinator.on_message

        def act_and_record(shard: int, message: FromWorker) -> None:
            act(shard, message)
            self.received.append(message)
            self._news.set()

        self._coordinator.on_message = act_and_record  # type: ignore[method-assign]

    async def has_received(self, kind: type[FromWorker], count: int) -> None:
        """Wait until that many messages of a kind have been acted on."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while sum(isinstance(message, kind) for message in self.received) < count:
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A new folder with its pipes; worker processes can import this package."""
    monkeypatch.syspath_prepend(ROOT)
    workspace = Workspace(folder=tmp_path)
    os.mkfifo(workspace.journal)
    os.mkfifo(workspace.gate)
    os.mkfifo(workspace.planning_gate)
    return workspace


@pytest.fixture
async def journal(workspace: Workspace) -> AsyncIterator[Journal]:
    """The workspace's journal, read as it is written."""
    journal = Journal()
    descriptor = os.open(workspace.journal, os.O_RDWR | os.O_NONBLOCK)
    unfinished = b""

    def read() -> None:
        nonlocal unfinished
        with suppress(BlockingIOError):
            while True:
                *lines, unfinished = (unfinished + os.read(descriptor, 65_536)).split(b"\n")
                for line in lines:
                    journal.add(json.loads(line))

    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, read)
    yield journal
    loop.remove_reader(descriptor)
    os.close(descriptor)


@pytest.fixture
def open_gate(workspace: Workspace) -> Iterator[Callable[[], None]]:
    """A function that opens the gate for every item that waits, now and later."""
    with opener(workspace.gate) as opened:
        yield opened


@pytest.fixture
def open_planning_gate(workspace: Workspace) -> Iterator[Callable[[], None]]:
    """A function that opens the planning gate."""
    with opener(workspace.planning_gate) as opened:
        yield opened


@contextmanager
def opener(pipe: Path) -> Iterator[Callable[[], None]]:
    """Yield a function that opens a pipe for all that wait at it."""
    descriptors: list[int] = []
    yield lambda: descriptors.append(os.open(pipe, os.O_RDWR))
    for descriptor in descriptors:
        os.close(descriptor)


def options(**changes: Any) -> Options:
    """Make options with the tests' defaults: two shards, an item at a time, one sweep."""
    defaults: dict[str, Any] = {
        "shards": 2,
        "batch_size": 1,
        "interval": timedelta(seconds=60),
        "drain": timedelta(seconds=10),
        "rate_share": 1.0,
        "is_once": True,
        "start_timeout": timedelta(seconds=DEADLINE_SECONDS),
    }
    return Options(**(defaults | changes))


Begin = Callable[..., tuple[Watched, "asyncio.Task[Summary]"]]


@pytest.fixture
async def begin(journal: Journal) -> AsyncIterator[Begin]:  # noqa: ARG001 - must be read meanwhile
    """Begin to supervise a workload in this process; it ends with the test at the latest."""
    tasks: list[asyncio.Task[Summary]] = []

    def start(
        workload: FakeWorkload,
        *,
        control_socket: Path | None = None,
        metrics: Metrics | None = None,
        **changes: Any,
    ) -> tuple[Watched, asyncio.Task[Summary]]:
        supervisor = Watched(
            workload,
            options(**changes),
            metrics=metrics or NoMetrics(),
            set_up_worker=set_up_worker,
            open_control=(
                None
                if control_socket is None
                else lambda it: ControlServer(
                    ControlAddress.at(control_socket), ControlHandlers(it).answer
                )
            ),
        )
        supervisor.watch()
        tasks.append(asyncio.create_task(supervisor.run()))
        return supervisor, tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
