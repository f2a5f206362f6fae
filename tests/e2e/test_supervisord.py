"""`supervisor.conf` under the real supervisord and supervisorctl."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from configparser import RawConfigParser
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconciler.demo import Demo
from reconciler.settings import Settings
from reconciler.supervisor.options import Options

from ..supervisor.processes import EndWatch, family  # noqa: TID252 - tests are no package
from .commands import DEADLINE_SECONDS, RunningCommand
from .conftest import SOON_HALF_OPEN, settings_of
from .control import wait_until_ready
from .proxy import DatabaseProxy
from .rows import changes_not_logged, connected, listening_for_changes

CONF = Path(__file__).parents[2] / "supervisor.conf"
RUNNING = "entered RUNNING state"
SPAWNED = "spawned: 'reconciler'"
GAVE_UP = "gave up: reconciler entered FATAL state"

# For tests that are not about the start.
SOON_RUNNING = {"startsecs=10": "startsecs=1"}


class Supervisord:
    """supervisord with the real file, in a folder like a checkout.

    The folder has a `.venv` and a `.env`, so the file is used as it is, except for the `changes`
    of `start`.
    """

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self._folder = folder
        self._conf = folder / CONF.name
        self._stack = ExitStack()
        self._running: RunningCommand | None = None
        shutil.copy(CONF, self._conf)
        (folder / ".venv").symlink_to(sys.prefix)
        for name, value in settings.items():
            self.set(name, value)

    def set(self, name: str, value: object) -> None:
        """Append a setting to `.env`, where the last line for a name counts."""
        with (self._folder / ".env").open("a", encoding="utf-8") as env:
            env.write(f"{name}='{value}'\n")

    def add_second(self) -> None:
        """Remove the semicolons in front of the second program."""
        text = self._conf.read_text(encoding="utf-8")
        begin = text.index(";[program:reconciler-second]")
        end = text.index("\n\n", begin)
        lines = [line.removeprefix(";") for line in text[begin:end].splitlines()]
        self._conf.write_text(text[:begin] + "\n".join(lines) + text[end:], encoding="utf-8")

    def start(self, changes: Mapping[str, str]) -> RunningCommand:
        """Start it, with its own log on standard error; replace texts in the file by `changes`."""
        text = self._conf.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        self._conf.write_text(text, encoding="utf-8")
        arguments = ["-n", "-s", "-c", str(self._conf), "-l", "/dev/stderr", "-y", "0"]
        self._running = self._stack.enter_context(
            RunningCommand(
                arguments, environment={}, folder=self._folder, module="supervisor.supervisord"
            )
        )
        return self._running

    def control(self, *arguments: str) -> str:
        """Call supervisorctl; return what it prints."""
        command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self._conf)]
        return subprocess.run(  # noqa: S603 - supervisord's own command
            [*command, *arguments],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        ).stdout

    def pid_of(self, program: str = "reconciler") -> int:
        """Return the process id of a running program."""
        return int(self.control("pid", program))

    def log(self) -> list[str]:
        """Return the lines of the reconciler's log."""
        return (self._folder / "reconciler.log").read_text(encoding="utf-8").splitlines()

    def wait_for(self, event: str, count: int = 1) -> None:
        """Wait for the `count`th line of an event in the reconciler's log."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while sum(f'"{event}"' in line for line in self.log()) < count:
            assert time.monotonic() < deadline, f"no {event} in time: {self.log()}"
            time.sleep(0.05)

    def close(self) -> None:
        """Stop it, and with it everything that it has started."""
        with self._stack:
            if self._running is not None:
                self._running.send(signal.SIGTERM)
                self._running.end()


@pytest.fixture
def supervisord(tmp_path: Path, demo: Demo) -> Iterator[Supervisord]:
    """A supervisord that is not started yet, with the settings of the demo."""
    supervisord = Supervisord(
        tmp_path, settings_of(demo) | SOON_HALF_OPEN | {"RECONCILIATION_BATCH_SIZE": 20}
    )
    yield supervisord
    supervisord.close()


@pytest.fixture
def many_orders(demo: Demo) -> None:
    """Fill the demo with more orders than a test reconciles."""
    demo.fill(orders=2000, symbols=24, seed=7)
    demo.exchange.set_faults(latency_ms=100)


def program() -> Mapping[str, str]:
    """Return the file's section for the reconciler."""
    file = RawConfigParser()
    file.read(CONF)
    return file["program:reconciler"]


def test_a_start_counts_only_when_a_first_cycle_could_begin() -> None:
    assert int(program()["startsecs"]) > Options.start_timeout.total_seconds()


def test_stop_may_take_longer_than_the_default_drain() -> None:
    drain_seconds = Settings.model_fields["drain_seconds"].default

    assert int(program()["stopwaitsecs"]) > drain_seconds


@pytest.mark.usefixtures("many_orders")
def test_supervisord_starts_restarts_and_stops_it_cleanly(
    demo: Demo, supervisord: Supervisord
) -> None:
    with listening_for_changes(demo.database_url) as changes:
        log = supervisord.start(SOON_RUNNING)
        log.wait_for_text(RUNNING)
        assert "RUNNING" in supervisord.control("status", "reconciler")
        changes.wait_for_change()
        first = supervisord.pid_of()
        first_ones = EndWatch({first, *family(first)})

        assert "reconciler: started" in supervisord.control("restart", "reconciler")
        supervisord.wait_for("supervisor.started", count=2)
        second = supervisord.pid_of()
        second_ones = EndWatch({second, *family(second)})
        assert not first_ones.left_after(1.0)

        assert "reconciler: stopped" in supervisord.control("stop", "reconciler")

    assert second != first
    assert not second_ones.left_after(1.0)
    assert log.count_text("stopped: reconciler (exit status 0)") == 2
    assert not log.count_text("killing 'reconciler'")
    assert not any('"worker.killed"' in line for line in supervisord.log())
    with connected(demo.database_url) as connection:
        assert not changes_not_logged(connection)


@pytest.mark.usefixtures("many_orders")
def test_a_killed_supervisor_is_started_again_without_its_workers(
    demo: Demo, supervisord: Supervisord
) -> None:
    with listening_for_changes(demo.database_url) as changes:
        log = supervisord.start(SOON_RUNNING)
        log.wait_for_text(RUNNING)
        changes.wait_for_change()
        killed = supervisord.pid_of()
        processes = EndWatch({killed, *family(killed)})

        os.kill(killed, signal.SIGKILL)

        assert not processes.left_after(1.0)
        log.wait_for_text(RUNNING, count=2)
    assert log.count_text("exited: reconciler (terminated by SIGKILL; not expected)") == 1
    assert supervisord.pid_of() != killed


def test_two_supervised_programs_do_not_depend_on_each_other(
    demo: Demo, supervisord: Supervisord, tmp_path: Path
) -> None:
    supervisord.add_second()
    supervisord.set("RECONCILIATION_INTERVAL_MS", 100)
    log = supervisord.start(SOON_RUNNING)
    log.wait_for_text(RUNNING)
    assert "STOPPED" in supervisord.control("status", "reconciler-second")

    started = supervisord.control("start", "reconciler-second")
    second = wait_until_ready(tmp_path / "second.sock")
    assert "RUNNING" in supervisord.control("status", "reconciler")
    supervisord.control("stop", "reconciler")
    with listening_for_changes(demo.database_url) as changes:
        demo.fill(orders=50, symbols=2, seed=3)
        changes.wait_for_change()

    assert "reconciler-second: started" in started
    assert "STOPPED" in supervisord.control("status", "reconciler")
    assert "RUNNING" in supervisord.control("status", "reconciler-second")
    assert supervisord.pid_of("reconciler-second") == second


def test_signals_bring_new_settings_and_shard_counts(
    supervisord: Supervisord, tmp_path: Path
) -> None:
    supervisord.start(SOON_RUNNING)
    pid = wait_until_ready(tmp_path / "reconciler.sock")

    answers = [supervisord.control("signal", "TTIN", "reconciler")]
    supervisord.wait_for("supervisor.scaled")
    answers.append(supervisord.control("signal", "HUP", "reconciler"))
    supervisord.wait_for("supervisor.reloaded")
    supervisord.set("RECONCILIATION_SHARDS", "nonsense")
    answers.append(supervisord.control("signal", "HUP", "reconciler"))
    supervisord.wait_for("supervisor.reload_refused")

    assert answers == ["reconciler: signalled\n"] * 3
    assert supervisord.pid_of() == pid


def test_configuration_error_becomes_fatal_and_says_why(
    supervisord: Supervisord,
) -> None:
    supervisord.set("EXCHANGE_NAME", "nonsense")

    log = supervisord.start({"startretries=3": "startretries=1"})
    log.wait_for_text(GAVE_UP)

    assert "FATAL" in supervisord.control("status", "reconciler")
    assert log.count_text(SPAWNED) == 2
    assert log.count_text("exited: reconciler (exit status 78; not expected)") == 2
    assert not log.count_text(RUNNING)
    assert "EXCHANGE_NAME is 'nonsense'" in "\n".join(supervisord.log()[-2:])


def test_database_that_comes_up_late_is_reached_by_restarts(
    demo: Demo, supervisord: Supervisord
) -> None:
    with DatabaseProxy(demo.database_url) as proxy:
        supervisord.set("DATABASE_URL", proxy.url)
        proxy.cut()

        log = supervisord.start({})
        log.wait_for_text("exited: reconciler (exit status 69; not expected)", count=2)
        proxy.restore()
        log.wait_for_text(RUNNING)

    assert not log.count_text(GAVE_UP)


def test_starting_a_broken_configuration_by_hand_fails_at_once(supervisord: Supervisord) -> None:
    supervisord.set("EXCHANGE_NAME", "nonsense")
    supervisord.start({}).wait_for_text("exited: reconciler (exit status 78")

    supervisord.control("stop", "reconciler")
    answer = supervisord.control("start", "reconciler")

    assert answer.startswith("reconciler: ERROR")


def test_without_a_database_it_is_never_called_running(supervisord: Supervisord) -> None:
    supervisord.set("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")

    log = supervisord.start({"startretries=3": "startretries=0"})
    log.wait_for_text(GAVE_UP)

    assert log.count_text("exited: reconciler (exit status 69; not expected)") == 1
    assert not log.count_text(RUNNING)
