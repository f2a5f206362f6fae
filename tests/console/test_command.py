"""The command: what it prints, what it refuses, how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import StartConsole

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DATABASE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `reconciler console` with arguments and an environment until it ends by itself."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "reconciler", "console", *arguments],
            env={**os.environ, **DATABASE, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def test_it_ends_at_once_with_code_0(start_console: StartConsole) -> None:
    assert start_console(**DATABASE).end() == 0


def test_it_prints_where_it_answers_and_how_it_is_protected(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "reconciler", "console", "--port", "0"],
        env={**os.environ, **DATABASE, "PYTHONUNBUFFERED": "1"},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                process.send_signal(signal.SIGINT)
        text = "".join(lines)

    assert process.returncode == 0
    assert "/sign-in?key=" in text
    assert "signs in one browser, once" in text
    assert "Nothing can be changed from it" in text


def test_a_port_that_is_taken_is_named(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port))

    assert ended.returncode == 69
    assert ended.stderr == (
        f"Error: port {port} on 127.0.0.1 is already in use: end the program that listens there, or"
        " choose another with --port (0 picks a free one)\n"
    )


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--host", "no.such.host.invalid"], 69, "the host 'no.such.host.invalid' is not known"),
        (["--host", "0.0.0.0"], 78, "0.0.0.0 can be reached from other machines"),  # noqa: S104
        (["--host", "::"], 78, ":: can be reached from other machines"),
        (["--port", "70000"], 2, "70000 is not in the range 0<=x<=65535"),
        (["--base-path", "x"], 2, "'x' is no path such as /reconciler"),
        (["--base-path", "//evil.example"], 2, "is no path such as /reconciler"),
        (["--base-path", "/a/../b"], 2, "is no path such as /reconciler"),
        (["--public-origin", "ops.example.com"], 2, "is no address such as https://"),
        (["--public-origin", "https://a.example/x"], 2, "is no address such as https://"),
        (["--tune", "no-such-file.json"], 2, "No such file or directory"),
        (["--allow-actions"], 2, "--allow-actions needs a name for the audit trail"),
        (["--allow-actions", "--by", " "], 2, "--allow-actions needs a name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_refused_with_what_to_do(
    run: Run, arguments: list[str], exit_code: int, message: str
) -> None:
    ended = run(*arguments)

    assert ended.returncode == exit_code, ended.stderr
    assert message in " ".join(ended.stderr.split())
    assert "Traceback" not in ended.stderr


def test_a_short_key_is_refused_and_not_shown(run: Run) -> None:
    ended = run(RECONCILIATION_CONSOLE_KEY="hunter2")

    assert ended.returncode == 78
    assert "fewer than 16 characters" in ended.stderr
    assert "hint: " in ended.stderr
    assert "hunter2" not in ended.stderr


def test_without_a_database_it_says_what_to_set(run: Run) -> None:
    ended = run("--port", "0", DATABASE_URL="")

    assert ended.returncode == 78
    assert "DATABASE_URL is not set" in ended.stderr


def test_without_the_extra_it_says_how_to_install_it(run: Run, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "starlette.py").write_text(
        "raise ModuleNotFoundError('no starlette', name='starlette')"
    )

    ended = run(PYTHONPATH=str(absent))

    assert ended.returncode == 78
    assert "needs the package 'starlette'" in ended.stderr
    assert "scripts/install console" in ended.stderr


def test_the_key_may_be_in_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short\n")

    ended = run(RECONCILIATION_CONSOLE_KEY_FILE=str(tmp_path / "key"))

    assert ended.returncode == 78
    assert "fewer than 16 characters" in ended.stderr


def test_the_report_is_one_json_object(start_console: StartConsole) -> None:
    console = start_console("--allow-actions", "--by", "ada", **DATABASE)

    assert console.announced["operator"] == "ada"
    assert console.announced["pid"] == console.pid
    json.dumps(console.announced)
