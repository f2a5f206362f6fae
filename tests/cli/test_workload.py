"""A workload of your own gets the exit codes, messages and options of `reconciler run`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..e2e.commands import RunningCommand  # noqa: TID252 - tests are no package
from .standalone import Behaviour

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.cli.standalone", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("behaviour", "code", "message"),
    [
        (Behaviour.LACK_STORE, 69, "error: the database does not answer"),
        (Behaviour.RAISE, 70, "error: this should not have happened: RuntimeError"),
        (Behaviour.LACK_EXCHANGE, 75, "stopped early: the node says no"),
        (Behaviour.BE_MISCONFIGURED, 78, "error: it cannot work\n  hint: buy another"),
        (Behaviour.BE_REFUSED, 78, "error: the node says no"),
    ],
)
def test_each_way_to_end_has_its_exit_code_and_message(
    behaviour: Behaviour, code: int, message: str, tmp_path: Path
) -> None:
    ended = run(tmp_path, "--once", BEHAVIOUR=behaviour)

    assert ended.returncode == code, ended.stderr
    assert message in ended.stderr


def test_a_workloads_secret_is_hidden_in_a_bugs_traceback(
    tmp_path: Path,
) -> None:
    ended = run(tmp_path, "--once", BEHAVIOUR=Behaviour.RAISE, WORD="open-sesame")

    assert ended.stderr.count("the word is ***") == 2
    assert "open-sesame" not in ended.stderr


def test_what_has_a_default_can_be_left_out(tmp_path: Path) -> None:
    ended = run(tmp_path, "--once", "--json", "--shards", "1")

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["orders"], report["reconciled"], report["shards"]) == (1, 1, 1)


def test_counts_are_printed_for_a_person(tmp_path: Path) -> None:
    ended = run(tmp_path, "--once")

    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["done", "1"] in rows
    assert ["failed", "0"] in rows


def test_an_option_that_does_not_exist_is_code_2(tmp_path: Path) -> None:
    ended = run(tmp_path, "--twice")

    assert ended.returncode == 2
    assert "Did you mean '--once'?" in ended.stderr


def test_hup_takes_valid_settings_and_refuses_wrong_ones(
    tmp_path: Path,
) -> None:
    settings, config = tmp_path / ".env", tmp_path / "reconciler.toml"
    environment = {
        "PYTHONPATH": str(ROOT),
        "LOG_FORMAT": "json",
        "RECONCILIATION_CONTROL_SOCKET": tmp_path / "control.sock",
    }
    with RunningCommand(
        ["--shards", "1"],
        environment=environment,
        folder=tmp_path,
        module="tests.cli.standalone",
    ) as running:
        running.wait_for("batch.worked")  # The pause of 45 s has begun, or is about to.

        settings.write_text("BEHAVIOUR=nonsense\n")
        running.send(signal.SIGHUP)
        refused = running.wait_for("supervisor.reload_refused")
        settings.write_text("BEHAVIOUR=lack_exchange\n")
        config.write_text("[settings]\ninterval_ms = 0\n")
        running.send(signal.SIGHUP)
        also_refused = running.wait_for("supervisor.reload_refused", count=2)
        config.write_text("[settings]\ninterval_ms = 100\n")
        running.send(signal.SIGHUP)
        running.wait_for("supervisor.reloaded")
        fault = running.wait_for("worker.in_trouble")
        running.send(signal.SIGTERM)
        ended = running.end()

    assert "BEHAVIOUR is 'nonsense'" in refused["problem"]
    assert "reconciler.toml, line 2: interval_ms is '0'" in also_refused["problem"]
    assert fault["reason"] == "the node says no"
    assert ended.exit_code == 0


def test_help_says_what_the_workload_does(tmp_path: Path) -> None:
    ended = run(tmp_path, "--help")

    assert ended.returncode == 0
    assert "Run one item, and end as BEHAVIOUR says." in ended.stdout
