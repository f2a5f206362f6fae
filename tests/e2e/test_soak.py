import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "soak"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_process_grows_over_a_few_cycles() -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, SCRIPT, "--orders", "2000", "--cycles", "10"],
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "after 2,000 orders: supervisor" in ended.stdout
    assert "0 errors, 0 restarts" in ended.stdout


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_kill_and_no_fault_loses_doubles_or_turns_back_a_change() -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, SCRIPT, "--chaos", "--seconds", "12", "--json"],
        capture_output=True,
        text=True,
        timeout=290,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["complaints"] == []
    assert set(told["kills"]) == {"worker", "supervisor", "postmaster"}
    assert min(told["application"].values()) > 0
