"""The scripts that start a supervisor, when TERM ends them half-way."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types
import pytest

from ..scripts import SCRIPTS  # noqa: TID252 - tests are no package
from ..supervisor.processes import EndWatch, family  # noqa: TID252 - tests are no package
from .commands import DEADLINE_SECONDS


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for PostgreSQL, with a path short enough for its socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.parametrize(
    "command",
    [
        ("fault-timeline",),
        ("poison", "--orders", "1000"),
        ("rates",),
        ("hostile",),
        ("soak", "--orders", "1000"),
        ("soak", "--chaos"),
    ],
    ids=" ".join,
)
def test_a_script_that_is_told_to_end_leaves_no_process_and_no_folder(
    command: tuple[str, ...], folder: Path
) -> None:
    script, *arguments = command
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, SCRIPTS / script, *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_it_supervises(process.pid)
        (postmaster,) = folder.glob("reconciler-pg-*/data/postmaster.pid")
        server = int(postmaster.read_text(encoding="utf-8").splitlines()[0])
        processes = EndWatch({server, *family(process.pid)})

        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)
    finally:
        process.kill()

    left = processes.left_after(DEADLINE_SECONDS)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    assert not list(folder.glob("reconciler-pg-*"))


def wait_until_it_supervises(pid: int) -> None:
    """Wait until a script has started a supervisor, and the supervisor its workers."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not any("forkserver" in " ".join(command_of(one)) for one in family(pid)):
        assert time.monotonic() < deadline, "it does not start its supervisor"
        time.sleep(0.25)  # each question reads all processes of the machine


def command_of(pid: int) -> list[str]:
    """Return the arguments of a process; none if it has just ended."""
    try:
        command: list[str] = psutil.Process(pid).cmdline()
    except psutil.NoSuchProcess:
        return []
    return command
