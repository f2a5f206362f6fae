"""A log or an output that cannot be written neither stops the work nor leaves it half done."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from reconciler.cli.exit_codes import Exit
from reconciler.demo import Demo
from tests.supervisor.processes import EndWatch, family

from .commands import DEADLINE_SECONDS
from .conftest import SOON_HALF_OPEN, settings_of
from .rows import connected, count, listening_for_changes

COMMAND = (sys.executable, "-P", "-m", "reconciler")


@contextmanager
def started(
    demo: Demo, folder: Path, *arguments: str, stderr: int, **environment: object
) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a demo; kill it at the end of the block."""
    settings = settings_of(demo) | environment
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        cwd=folder,
        env=os.environ | {name: str(value) for name, value in settings.items()},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_full_disk_under_the_log_stops_nothing(demo: Demo, tmp_path: Path) -> None:
    demo.fill(orders=300, symbols=4, seed=61)

    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        started(demo, tmp_path, "run", "--once", "--json", stderr=full.fileno()) as run,
    ):
        out, _ = run.communicate(timeout=DEADLINE_SECONDS)

    assert (run.returncode, demo.mismatches()) == (0, [])
    assert '"reconciled": 300' in out


def test_a_reader_of_the_log_that_does_not_read_stops_nothing(demo: Demo, tmp_path: Path) -> None:
    demo.fill(orders=300, symbols=4, seed=63)
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)

    with started(demo, tmp_path, "run", "--once", stderr=writing) as run:
        os.close(writing)
        run.communicate(timeout=DEADLINE_SECONDS)

    os.close(reading)
    assert (run.returncode, demo.mismatches()) == (0, [])


def test_lost_log_reader_ends_it_after_a_drain_with_74(demo: Demo, tmp_path: Path) -> None:
    demo.fill(orders=300, symbols=4, seed=62)
    reading, writing = os.pipe()

    start = partial(
        started, demo, tmp_path, "run", "--batch-size", "10", stderr=writing, **SOON_HALF_OPEN
    )
    with listening_for_changes(demo.database_url) as changes, ExitStack() as stack:
        run = stack.enter_context(start())
        while not changes.has_change_within(1.0):
            # On a busy machine it may be too slow to start, and asks to be started again.
            if run.poll() == Exit.UNAVAILABLE:
                run = stack.enter_context(start())
        os.close(writing)
        ended = EndWatch(family(run.pid))
        os.close(reading)
        run.communicate(timeout=DEADLINE_SECONDS)

        assert run.returncode == 74
        assert ended.left_after(DEADLINE_SECONDS) == set()
    with connected(demo.database_url) as connection:
        assert count(connection, "action = 'reconciliation.update'", "activity_log") > 0


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("check", "--json"), ("health",), ("holds", "list", "--json"), ("run", "--once")],
    ids=" ".join,
)
def test_who_reads_no_result_is_told_nothing_else(
    demo: Demo, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    settings = settings_of(demo) | {"LOG_LEVEL": "ERROR"}
    reading, writing = os.pipe()
    os.close(reading)

    ended = subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments],
        cwd=tmp_path,
        env=os.environ | {name: str(value) for name, value in settings.items()},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )

    os.close(writing)
    progress = "checking settings, database and exchange"
    assert [line for line in ended.stderr.splitlines() if not line.startswith(progress)] == []


def test_result_that_cannot_be_written_ends_with_74(demo: Demo, tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(  # noqa: S603 - our own command
            [*COMMAND, "holds", "list", "--json"],
            cwd=tmp_path,
            env=os.environ | {name: str(value) for name, value in settings_of(demo).items()},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )

    assert ended.returncode == 74
    assert "No space left on device" in ended.stderr
    assert "hint: make room" in ended.stderr
