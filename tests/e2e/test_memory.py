"""The memory that a worker takes for itself, and gives back."""

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
from .worker_memory_probe import Measurements

HERE = Path(__file__).parent
ORDERS = 3000


@pytest.fixture
def measurements(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Measurements:
    """The measurements of a worker that handles `ORDERS` orders."""
    demo.fill(orders=ORDERS, symbols=3, seed=7)
    for name, value in settings_of(demo).items():
        monkeypatch.setenv(name, str(value))
    workload = OrderWorkload(settings=Settings.load())
    planner = workload.open_planner()
    chunks = planner.plan(ORDERS, None).chunks
    planner.close()
    batches = [
        Batch(number=number, cycle=0, chunks=(chunk,)) for number, chunk in enumerate(chunks)
    ]
    assert sum(batch.size for batch in batches) > ORDERS / 2
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, HERE / "worker_memory_probe.py"],
        input=pickle.dumps((workload, [pickle.dumps(batch) for batch in batches])),
        capture_output=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    measurements: Measurements = json.loads(ended.stdout)
    return measurements


def test_worker_imports_nothing_beyond_the_fork_server(
    measurements: Measurements,
) -> None:
    assert measurements["imported"] == []


def test_worker_loads_the_adapter_of_its_exchange_and_no_other(
    measurements: Measurements,
) -> None:
    assert measurements["adapters"] == ["reconciler.exchanges.binance"]


def test_worker_does_not_load_what_only_migrations_need(measurements: Measurements) -> None:
    assert {"alembic", "mako"}.isdisjoint(measurements["preloaded"])


def test_order_takes_1300_bytes_until_committed_then_none(measurements: Measurements) -> None:
    # A third of it are the fields of row and report besides the status, for the comparison; 60
    # bytes are the version of the row and the decision, which spare reading it again; 56 are the
    # time of the event at the exchange, for how long the row was wrong.
    assert measurements["kept_bytes"] / ORDERS < 1300
    # The rows that the last transaction has read are kept until the next one.
    assert measurements["left_bytes"] < measurements["kept_bytes"] / 4
