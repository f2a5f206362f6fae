import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..scripts import HANG_SECONDS  # noqa: TID252 - tests are no package
from ..supervisor.processes import stretched  # noqa: TID252

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_every_row_is_right_after_a_demo_with_chaos() -> None:
    seconds = str(stretched(4))
    command = ("demo", "--chaos", "--chaos-seconds", seconds, "--orders", "300", "--seed", "3")

    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "reconciler", *command, "--json"],
        env=os.environ | {"RECONCILIATION_SHARDS": "2"},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["orders"], report["mismatches"]) == (300, 0)
    assert report["workers_killed"] > 0
    assert report["requests_refused"] > 0
    # A worker that is killed at the very end is not replaced.
    assert report["restarts"] >= report["workers_killed"] - 1


def test_chaos_outside_of_a_checkout_names_the_right_command(tmp_path: Path) -> None:
    installed = tmp_path / "reconciler"
    shutil.copytree(ROOT / "reconciler", installed, ignore=shutil.ignore_patterns("__pycache__"))

    ended = subprocess.run(
        [sys.executable, "-P", "-m", "reconciler", "demo", "--chaos"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 78
    assert "error: --chaos is not part of this installation" in ended.stderr
    assert "hint: run it there: ./scripts/demo --chaos" in ended.stderr
