"""What a worker takes of memory for itself, and whether it gives it back."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.demo import Demo
from reconciler.orders.workload import OrderWorkload
from reconciler.settings import Settings
from reconciler.workload import Batch

from .commands import DEADLINE_SECONDS
from .conftest import settings_of
from .worker_memory_probe import Findings

HERE = Path(__file__).parent
ORDERS = 3000


@pytest.fixture
def findings(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """What a worker's work on so many orders leaves."""
    demo.fill(orders=ORDERS, symbols=3, seed=7)
    for name, value in settings_of(demo).items():
        monkeypatch.setenv(name, str(value))
    workload = OrderWorkload(settings=Settings.load())
    planner = workload.open_planner()
    chunks = planner.plan(ORDERS, None).chunks
    planner.close()
    batches = [Batch(number=number, cycle=0, chunks=(run,)) for number, run in enumerate(chunks)]
    assert sum(batch.size for batch in batches) > ORDERS / 2
    looked = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, HERE / "worker_memory_probe.py"],
        input=pickle.dumps((workload, [pickle.dumps(batch) for batch in batches])),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert looked.returncode == 0, looked.stderr.decode()
    findings: Findings = json.loads(looked.stdout)
    return findings


def test_worker_imports_nothing_beyond_the_fork_server(
    findings: Findings,
) -> None:
    assert findings["imported"] == []


def test_order_takes_1200_bytes_until_committed_then_none(findings: Findings) -> None:
    # A third of it is what its row and its report know of it beyond the status: for the comparison.
    assert findings["kept_bytes"] / ORDERS < 1200
    # What the last transaction has read stays until the next one.
    assert findings["left_bytes"] < findings["kept_bytes"] / 4
