"""Every command in the documents is run, here or by its own test, or marked as an example.

A block of shell code without a mark is run as it stands, in a folder like the checkout, with a
database that has orders and an exchange that knows them. `<!-- tested: NAME -->` before a block
says that a test of that name runs it, `<!-- example: WHY -->` that no test does.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from reconciler.cli.app import cli
from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess
from reconciler.store.database import Database
from scripts.benchmark.command import bench_command
from tests.adoption.platforms.platform import FOLDER

from ..e2e.commands import RunningCommand  # noqa: TID252 - tests are no package
from .documents import DOCUMENTS, ROOT, Block, blocks, codes_in, typed_in

KEY, SECRET = "key-of-the-documents", "secret-of-the-documents"
ENDLESS = re.compile(r"reconciler (run(?!.*--once)|paper(?!.*--print-jwt))")
OF_A_RUNNING_SUPERVISOR = re.compile(r"reconciler (status|scale)\b")
ORDER_ID = 4711
SHELL = ("bash", "console")
SECONDS = 300

ROW = {"status": "new", "executed_qty": "0", "avg_price": None}
REPORT = {
    "symbol": "BTCUSDT",
    "external_order_id": "9",
    "word": "FILLED",
    "status": "filled",
    "executed_qty": "1",
    "avg_price": "100",
}


def to_run() -> list[Block]:
    """Return the blocks to run; of several with the same commands one, to save time."""
    every = [block for block in blocks(*SHELL) if not block.marker and not block.example]
    return list({tuple(typed_in(block)): block for block in reversed(every)}.values())[::-1]


@pytest.fixture(scope="module")
def paper() -> Iterator[PaperProcess]:
    with PaperProcess(api_key=KEY, api_secret=SECRET) as paper:
        yield paper


class Reader:
    """A reader who types the commands of a page, in the checkout's folder."""

    def __init__(self, demo: Demo, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._paper_port = _free_port()
        self._demo = demo
        for name in (".venv", "docs", "scripts"):
            (folder / name).symlink_to(Path(sys.prefix) if name == ".venv" else ROOT / name)
        ours = {**demo.environment, "RECONCILIATION_CONTROL_SOCKET": folder / "control.sock"}
        path = [Path(sys.prefix) / "bin", *os.environ["PATH"].split(os.pathsep), folder / "bin"]
        _write_curl(folder / "bin")
        self.environment: dict[str, str] = os.environ | {
            **{name: str(value) for name, value in ours.items()},
            "PATH": os.pathsep.join(map(str, path)),
            "HOME": str(folder),
            "PAPER_PORT": str(self._paper_port),
            "PAPER_JWT_SECRET": "a secret of at least thirty-two bytes",
            "RECONCILIATION_SHARDS": "1",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "DEBUG",
        }

    def read(self, block: Block) -> None:
        """Run a whole block; stop commands that run until a signal after the others."""
        typed = typed_in(block)
        has_own_paper = any("reconciler paper" in command for command in typed)
        commands = [self._as_ours(command, has_own_paper=has_own_paper) for command in typed]
        endless: list[RunningCommand] = []
        if any(OF_A_RUNNING_SUPERVISOR.search(command) for command in commands):
            endless.append(self._start("reconciler run"))
        typed_before: list[str] = []
        for command in commands:
            if ENDLESS.search(command):
                endless.append(self._start(command, typed_before))
            else:
                typed_before.append(command)
                self._run(typed_before, command)
        for running in endless:
            running.send(signal.SIGTERM)
            ended = running.end()
            assert ended.exit_code == 0, ended.err

    def _run(self, typed_before: Sequence[str], command: str) -> None:
        """Run a command in a shell with the variables exported before it."""
        before = [one for one in typed_before[:-1] if one.startswith(("export ", "cd ", "source "))]
        ended = subprocess.run(  # noqa: S603 - our own pages
            ["/usr/bin/env", "bash", "-euo", "pipefail", "-c", "\n".join([*before, command])],
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"

    def _start(self, command: str, typed_before: Sequence[str] = ()) -> RunningCommand:
        arguments = command.split("#", maxsplit=1)[0].split()[1:]
        assert not typed_before or all(one.startswith(("cd ", "source ")) for one in typed_before)
        running = self._stack.enter_context(
            RunningCommand(arguments, environment=self.environment, folder=self._folder)
        )
        if "paper" in arguments:
            _wait_for_answer(f"http://127.0.0.1:{self._paper_port}/api/v3/ping", running)
        else:
            running.wait_for("worker.started")
        return running

    def _as_ours(self, command: str, *, has_own_paper: bool) -> str:
        """Replace the page's database, exchange and key with ours."""
        own = f"http://127.0.0.1:{self._paper_port}"
        replaced = {
            "postgresql://owner:password@host:5432/trading": self._demo.database_url,
            "http://127.0.0.1:8900": own if has_own_paper else self._demo.exchange.url,
            "EXCHANGE_API_KEY='...' EXCHANGE_API_SECRET='...'": (
                f"EXCHANGE_API_KEY={KEY} EXCHANGE_API_SECRET={SECRET}"
            ),
            "/path/to/this/checkout": str(self._folder),
        }
        for theirs, ours in replaced.items():
            command = command.replace(theirs, ours)
        # Its exit code is the verdict, as Nagios wants it.
        return f"{command} || [ $? -le 3 ]" if command == "reconciler health" else command


@pytest.fixture
def reader(
    block: Block, tmp_path: Path, database: Database, database_url: str, paper: PaperProcess
) -> Iterator[Reader]:
    demo = Demo(
        database=database,
        database_url=database_url,
        exchange=paper,
        api_key=SecretStr(KEY),
        api_secret=SecretStr(SECRET),
    )
    demo.fill(orders=24, symbols=3, seed=1)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO orders (id, symbol, external_order_id, status, qty)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, 'BTCUSDT', '9', 'new', 1)",
            (ORDER_ID,),
        )
        connection.execute(
            "INSERT INTO reconciliation_holds (order_id, reason, detail, attempts, first_held_at,"
            " next_attempt_at, row_facts, report)"
            " VALUES (%s, 'conflict', 'of two minds', 2, now(), now() + interval '1 hour', %s, %s)",
            (str(ORDER_ID), Jsonb(ROW), Jsonb(REPORT)),
        )
        if "--status" in block.code:
            connection.execute(
                "UPDATE reconciliation_holds SET reason = 'unknown_status', report = %s",
                (Jsonb(REPORT | {"word": "HALTED", "status": None}),),
            )
    with ExitStack() as stack:
        yield Reader(demo, tmp_path, stack)
    paper.clear_faults()


@pytest.mark.parametrize("block", to_run(), ids=str)
def test_a_block_of_commands_runs_as_it_stands(block: Block, reader: Reader) -> None:
    reader.read(block)


def test_every_block_of_commands_says_that_it_is_one() -> None:
    """A fence without a language would not be tested by this file."""
    first = re.compile(r"^\s*(\$ |\./|\.venv/|scripts/|reconciler |pip |python3? |psql )")

    unnamed = [block for block in blocks("", "sh", "shell", "text") if first.match(block.code)]

    assert unnamed == []


def test_every_marker_names_a_test_and_every_example_has_a_reason() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    every = blocks("bash", "console", "python", "sql", "ini", "json", "toml", "text")

    files = {path.name for path in FOLDER.iterdir()}

    unknown = [one for one in every if one.marker and f'"{one.marker}"' not in tests]
    assert [block for block in unknown if block.marker not in files] == []
    assert [block for block in every if block.example and len(block.example.split()) < 3] == []


def test_no_document_and_no_hint_installs_a_package_of_our_name() -> None:
    sources = [*DOCUMENTS, *(ROOT / "reconciler").rglob("*.py"), ROOT / "supervisor.conf"]

    naming = re.compile(r"pip3? install[^\n]*order-reconciler")
    assert [str(path) for path in sources if naming.search(path.read_text(encoding="utf-8"))] == []


def scripts_named() -> list[str]:
    codes = [code for name in DOCUMENTS for code in codes_in(name.read_text(encoding="utf-8"))]
    codes += [command for block in blocks(*SHELL) for command in typed_in(block)]
    return sorted({code for code in codes if re.match(r"(\./)?scripts/[a-z-]+ ", code)})


@pytest.mark.parametrize("command", scripts_named())
def test_a_script_that_is_named_exists_and_knows_its_options(command: str) -> None:
    name, *arguments = command.split("#", maxsplit=1)[0].split(">", maxsplit=1)[0].split()
    script = ROOT / name
    text = script.read_text(encoding="utf-8")
    if script.name in ("bench", "demo"):
        called = (
            bench_command if script.name == "bench" else cli.get_command(click.Context(cli), "demo")
        )
        assert called is not None
        known = {flag for parameter in called.params for flag in parameter.opts}
    else:
        known = set(re.findall(r"--[a-z-]+", text + _python_of(script)))

    assert os.access(script, os.X_OK)
    assert {one for one in arguments if one.startswith("--")} <= known


def _python_of(script: Path) -> str:
    twin = script.with_name(script.name.replace("-", "_") + ".py")
    return twin.read_text(encoding="utf-8") if twin.exists() else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _wait_for_answer(url: str, running: RunningCommand) -> None:
    while running.is_running:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url, trust_env=False)
            return
    raise AssertionError(running.end().err)


def _write_curl(folder: Path) -> None:
    """Write a small curl, last on the path, for a machine that has none."""
    folder.mkdir()
    curl = folder / "curl"
    curl.write_text(
        f"#!{sys.executable}\n"
        "import sys, httpx\n"
        "options = dict(zip(sys.argv[1:], sys.argv[2:]))\n"
        "url = next(word for word in sys.argv if word.startswith('http'))\n"
        "method, body = options.get('-X', 'GET'), options.get('-d')\n"
        "print(httpx.request(method, url, content=body, trust_env=False).text)\n"
    )
    curl.chmod(0o755)
