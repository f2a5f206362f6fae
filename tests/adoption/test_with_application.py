import json

import pytest

from ..scripts import run_script  # noqa: TID252 - tests are no package


@pytest.mark.long
def test_an_application_that_writes_the_same_rows_meets_no_deadlock_and_no_error() -> None:
    """A table with a trigger, and one with an enum and texts as ids: all in `scripts/adoption`."""
    ended = run_script(
        "adoption",
        "--seconds",
        "4",
        "--platform",
        "copy_trading",
        "--platform",
        "opencex",
        "--json",
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    for result in map(json.loads, ended.stdout.splitlines()):
        assert min(result["writes"]["inserted"], result["writes"]["updated"]) > 0
        assert result["changes"] > 0
        assert (result["deadlocks"], result["mismatches"]) == (0, [])
