import json

import pytest

from ..scripts import run_script  # noqa: TID252 - tests are no package


@pytest.mark.long
def test_no_process_grows_over_a_few_cycles() -> None:
    ended = run_script("soak", "--orders", "2000", "--cycles", "10")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "after 2,000 orders: supervisor" in ended.stdout
    assert "0 errors, 0 restarts" in ended.stdout


@pytest.mark.long
def test_no_kill_and_no_fault_loses_doubles_or_turns_back_a_change() -> None:
    ended = run_script("soak", "--chaos", "--seconds", "12", "--json")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads(ended.stdout)
    assert result["complaints"] == []
    assert set(result["kills"]) == {"worker", "supervisor", "postmaster"}
    assert min(result["application"].values()) > 0
