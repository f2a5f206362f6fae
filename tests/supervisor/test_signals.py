"""Signals of a person or a service manager to a supervisor in a process of its own."""

import asyncio
import json
import os
import pickle
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from reconciler.workload import Chunk

from .conftest import DEADLINE_SECONDS, ROOT, Journal, options
from .fake_workload import Behaviour, FakeWorkload, Item, Workspace
from .processes import EndWatch, family, stretched

WORKERS = 2

Launch = Callable[..., Awaitable["Launched"]]


@dataclass(frozen=True)
class Launched:
    """A supervisor in a process group of its own; it logs to its standard output."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """The parent's process id, and its group's."""
        return self.process.pid

    async def heeds(self) -> None:
        """Wait until it has acted on a signal."""
        await self._line_with(b"supervisor.signal_received")

    async def end(self) -> tuple[int, str]:
        """Wait until it ends by itself; return its exit code and how it says it ended."""
        summary = json.loads(await self._line_with(b'{"ending"'))
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.process.wait(), summary["ending"]

    async def _line_with(self, text: bytes) -> bytes:
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_SECONDS):
            while text not in (line := await self.process.stdout.readline()):
                assert line, f"it ended without a word of {text!r}"
        return line


def waiting_then_plain(plain: int, *, waits: Behaviour, is_late: bool) -> tuple[Chunk, ...]:
    """Make a run that waits for each worker, and more behind them."""
    return tuple(
        Chunk(
            key=f"COIN{number}",
            items=(
                Item(
                    id=number,
                    acts=(waits if number < WORKERS else Behaviour.WORK,),
                    is_late=is_late,
                ),
            ),
        )
        for number in range(WORKERS + plain)
    )


@pytest.fixture
async def launch(workspace: Workspace, journal: Journal) -> AsyncIterator[Launch]:
    """Start a supervisor and wait until every worker is busy, waiting at the gate."""
    processes: list[asyncio.subprocess.Process] = []

    async def start(
        *, plain: int = 10, waits: Behaviour = Behaviour.WAIT, is_late: bool = False, **changes: Any
    ) -> Launched:
        page = waiting_then_plain(plain, waits=waits, is_late=is_late)
        workload = FakeWorkload(workspace=workspace, pages=(page,))
        file = workspace.folder / "workload"
        file.write_bytes(pickle.dumps((workload, options(**changes))))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.supervisor.run_fake_workload", str(file)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        processes.append(process)
        await journal.wait("open", WORKERS)
        if is_late:
            await journal.wait("begin late")
        else:
            await journal.wait("begin", WORKERS, act=waits.value)
        return Launched(process)

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_stop_finishes_what_is_in_flight_and_begins_nothing_new(
    launch: Launch,
    journal: Journal,
    open_gate: Callable[[], None],
    number: signal.Signals,
) -> None:
    supervisor = await launch(is_once=False)
    processes = EndWatch({supervisor.pid, *family(supervisor.pid)})

    os.kill(supervisor.pid, number)
    await supervisor.heeds()
    open_gate()

    assert await supervisor.end() == (0, "stopped")
    assert sorted(journal.ids("end")) == list(range(WORKERS))
    assert len(journal.all("closed")) == WORKERS
    assert [line["scanned"] for line in journal.all("cycle")] == [WORKERS]
    assert not processes.left_after(DEADLINE_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
async def test_a_stop_of_the_whole_group_finishes_what_is_being_written(
    launch: Launch, journal: Journal, open_gate: Callable[[], None], number: signal.Signals
) -> None:
    supervisor = await launch(plain=0, is_late=True, is_once=False)
    processes = EndWatch({supervisor.pid, *family(supervisor.pid)})

    os.killpg(supervisor.pid, number)
    await supervisor.heeds()
    open_gate()

    assert await supervisor.end() == (0, "stopped")
    assert sorted(journal.ids("end")) == list(range(WORKERS))
    assert len(journal.all("closed")) >= WORKERS
    assert [line["scanned"] for line in journal.all("cycle")] == [WORKERS]
    assert not processes.left_after(DEADLINE_SECONDS)


async def test_a_stop_of_the_whole_group_gives_up_what_is_in_preparation(
    launch: Launch, journal: Journal, open_gate: Callable[[], None]
) -> None:
    supervisor = await launch(is_once=False)
    processes = EndWatch({supervisor.pid, *family(supervisor.pid)})

    os.killpg(supervisor.pid, signal.SIGTERM)
    await supervisor.heeds()
    open_gate()

    assert await supervisor.end() == (0, "stopped")
    assert sorted(journal.ids("begin")) == list(range(WORKERS))
    assert not processes.left_after(DEADLINE_SECONDS)


@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGTERM, signal.SIGTERM],
        [signal.SIGINT, signal.SIGINT],
        [signal.SIGTERM, signal.SIGINT],
        [signal.SIGQUIT],
    ],
    ids=["TERM TERM", "INT INT", "TERM INT", "QUIT"],
)
async def test_a_second_signal_or_quit_stops_fast(
    launch: Launch, journal: Journal, numbers: list[signal.Signals]
) -> None:
    supervisor = await launch(drain=timedelta(minutes=5))
    processes = EndWatch({supervisor.pid, *family(supervisor.pid)})

    started = time.monotonic()
    for number in numbers:
        os.kill(supervisor.pid, number)
        await supervisor.heeds()

    assert await supervisor.end() == (0, "stopped")
    assert time.monotonic() - started < stretched(3.0)
    assert journal.ids("end") == []
    assert not processes.left_after(DEADLINE_SECONDS)


async def test_a_drain_ends_at_its_deadline_at_the_latest(launch: Launch, journal: Journal) -> None:
    supervisor = await launch(drain=timedelta(seconds=0.3))
    processes = EndWatch({supervisor.pid, *family(supervisor.pid)})

    os.kill(supervisor.pid, signal.SIGTERM)

    assert await supervisor.end() == (0, "stopped")
    assert journal.ids("end") == []
    assert not processes.left_after(DEADLINE_SECONDS)


@pytest.mark.parametrize("waits", [Behaviour.WAIT, Behaviour.GET_STUCK])
async def test_all_processes_end_with_the_parent_however_it_dies(
    launch: Launch, waits: Behaviour
) -> None:
    supervisor = await launch(waits=waits)
    descendants = EndWatch(family(supervisor.pid))

    os.kill(supervisor.pid, signal.SIGKILL)

    assert not descendants.left_after(1.0)
