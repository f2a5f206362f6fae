"""Supervise a pickled workload in a process of its own.

Called as `python -m tests.supervisor.run_fake_workload FILE`.

Exits 0 with the summary on standard output.
"""

import asyncio
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

from reconciler.supervisor.options import Options
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.metrics import NoMetrics

from .fake_workload import FakeWorkload


def nothing() -> None:
    """Set up nothing."""


def set_up_worker(_shard: int) -> Callable[[], None]:
    """Return what a worker calls first."""
    return nothing


def main(file: Path) -> None:
    """Supervise."""
    workload: FakeWorkload
    options: Options
    workload, options = pickle.loads(file.read_bytes())  # noqa: S301 - the test's own
    supervisor = Supervisor(workload, options, metrics=NoMetrics(), set_up_worker=set_up_worker)
    summary = asyncio.run(supervisor.run())
    print(json.dumps({"ending": summary.ending, "restarts": summary.restarts}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
