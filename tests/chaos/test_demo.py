import json
import os
import subprocess
import sys

import pytest


@pytest.mark.long
def test_the_demo_ends_true_after_chaos() -> None:
    command = ("demo", "--chaos", "--chaos-seconds", "4", "--orders", "300", "--seed", "3")

    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "reconciler", *command, "--json"],
        env=os.environ | {"RECONCILIATION_SHARDS": "2"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["orders"], report["mismatches"]) == (300, 0)
    assert report["workers_killed"] > 0
    assert report["requests_refused"] > 0
    # One that is killed when everything ends is not replaced any more.
    assert report["restarts"] >= report["workers_killed"] - 1
