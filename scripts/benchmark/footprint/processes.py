"""Start-up and memory of the real command, on the paper exchange."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types
from sqlalchemy import text

from reconciler.cli.exit_codes import Exit
from reconciler.run_if_killed import run_if_killed
from reconciler.safe_path import COMMAND
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.end_to_end.fixture import PaperFixture
from scripts.benchmark.figures import BenchFailed

WORKERS = 4
MAX_STARTS = 10
_STOP = 'kill -TERM "$0"; rm -rf "$1"'
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 120.0

_FIRST_CYCLE = text("SELECT extract(epoch FROM min(finished_at)) FROM reconciliation_cycles")
_ALL_SYNCED = text("SELECT count(*) = 0 FROM orders WHERE last_synced_at IS NULL")


def version_ms() -> float:
    """Return the time that `reconciler --version` takes."""
    started = time.perf_counter()
    subprocess.run([*COMMAND, "--version"], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    return (time.perf_counter() - started) * 1000


def first_cycle_ms(scratch: ScratchDatabase, fixture: PaperFixture) -> float:
    """Return the time from the start of `run --once` to the end of its first cycle."""
    fixture.put_back(scratch)
    started = time.time()
    with _running(scratch, fixture, "--once") as process:
        code = process.wait(_PATIENCE_SECONDS)
    if code != 0:
        raise BenchFailed(f"run --once ended with code {code}")
    with scratch.database.autocommit() as connection:
        finished = float(connection.execute(_FIRST_CYCLE).scalar_one())
    return (finished - started) * 1000


def memory_mib(scratch: ScratchDatabase, fixture: PaperFixture) -> tuple[float, float]:
    """Return the proportional set sizes of the supervisor and of its largest worker, after work."""
    for _ in range(MAX_STARTS):
        fixture.put_back(scratch)
        with _running(scratch, fixture, "--shards", str(WORKERS)) as process:
            if not _await_synced(scratch, process):
                continue
            parent = psutil.Process(process.pid)
            workers = _workers_of(parent)
            if len(workers) != WORKERS:
                raise BenchFailed(f"{len(workers)} of {WORKERS} workers were found")
            return _pss_mib(parent), max(_pss_mib(worker) for worker in workers)
    raise BenchFailed(f"in {MAX_STARTS} starts no worker of the supervisor was ready in time")


@contextmanager
def _running(
    scratch: ScratchDatabase, fixture: PaperFixture, *options: str
) -> Iterator["subprocess.Popen[bytes]"]:
    with tempfile.TemporaryDirectory(prefix="reconciler-bench-") as folder:
        environment = {
            "DATABASE_URL": scratch.url,
            "EXCHANGE_NAME": "paper",
            "EXCHANGE_BASE_URL": fixture.exchange_url,
            "EXCHANGE_API_KEY": fixture.api_key.get_secret_value(),
            "EXCHANGE_API_SECRET": fixture.api_secret.get_secret_value(),
            "RECONCILIATION_CONTROL_SOCKET": str(Path(folder) / "socket"),
            "LOG_LEVEL": "ERROR",
        }
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "run", *options],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
        )
        with run_if_killed(_STOP, str(process.pid), folder):
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                process.wait(_PATIENCE_SECONDS)


def _await_synced(scratch: ScratchDatabase, process: "subprocess.Popen[bytes]") -> bool:
    """Return True once every order was synced; False if no worker was ready in time.

    On a busy machine that happens; a service manager starts the supervisor again then.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with scratch.database.autocommit() as connection:
            if connection.execute(_ALL_SYNCED).scalar_one():
                return True
        time.sleep(_LOOK_SECONDS)
    if process.poll() == Exit.UNAVAILABLE:
        return False
    raise BenchFailed("the supervisor did not reconcile everything")


def _workers_of(parent: psutil.Process) -> Sequence[psutil.Process]:
    """Return the processes that the fork server has forked."""
    return [worker for child in parent.children() for worker in child.children()]


def _pss_mib(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 2**20
