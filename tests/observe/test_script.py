"""`scripts/observe`: what it shows, and that it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from scripts.observatory.client import GraphiteClient
from scripts.observatory.stack import PROGRAMS

from ..e2e.commands import DEADLINE_SECONDS  # noqa: TID252 - tests are no package
from ..optional_programs import require_program  # noqa: TID252
from ..scripts import SCRIPTS  # noqa: TID252
from ..supervisor.processes import EndWatch, family  # noqa: TID252

LAST_LINE = "Ctrl-C ends everything."


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for everything, with a path short enough for PostgreSQL's socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@contextmanager
def observing(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start the script; yield the process, and what it has printed when all is up."""
    require_program(*PROGRAMS)
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, SCRIPTS / "observe", "--flush-seconds", "1", *options],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        with process.stdout as out:
            printed = ""
            while LAST_LINE not in printed and (line := out.readline()):
                printed += line
            yield process, printed
    finally:
        process.kill()
        process.wait()


def test_it_shows_a_demo_until_ctrl_c_and_leaves_nothing(folder: Path) -> None:
    with observing(folder, "--orders", "200") as (process, printed):
        dashboards = re.findall(r"http://\S+/dashboard/\S+", printed)
        url = dashboards[0].partition("/dashboard/")[0]
        with GraphiteClient(url) as graphite:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while graphite.totals("reconciler").get("orders.reconciled", 0) < 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        pages = [httpx.get(dashboard).text for dashboard in dashboards]
        processes = EndWatch(family(process.pid))

        os.killpg(process.pid, signal.SIGINT)

        assert process.wait(DEADLINE_SECONDS) == 0
        assert not processes.left_after(5.0)
    assert len(pages) >= 3
    assert all("does not exist" not in page for page in pages)
    assert all("Invalid theme" not in page for page in pages)
    assert list(folder.iterdir()) == []


def test_killed_by_force_it_leaves_no_process_and_no_folder(folder: Path) -> None:
    with observing(folder, "--no-demo") as (process, _):
        processes = EndWatch(family(process.pid))
        process.kill()
        assert not processes.left_after(20.0)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while list(folder.iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_cannot_be_installed_is_said_with_a_hint(tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    require_program(*PROGRAMS)

    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, SCRIPTS / "observe"],
        env=os.environ
        | {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "RECONCILER_PROGRAMS": str(tmp_path / "programs"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 78
    assert "error: not installed: statsd" in ended.stderr
    assert "hint:" in ended.stderr
