"""A real run for the pictures: orders, a supervisor, faults of the exchange, killed workers."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo, open_demo
from reconciler.errors import NoSupervisor
from reconciler.supervisor.status import Phase, SupervisorStatus
from tests.chaos.supervisor_process import SupervisorProcess

SHARDS = 4
SYMBOLS = 12
SWEEPS = 5
"""How often an order becomes stale before the outage."""

DEADLINE_SECONDS = 300.0
LOOK_SECONDS = 0.5

SETTINGS = {
    "RECONCILIATION_SHARDS": str(SHARDS),
    "RECONCILIATION_INTERVAL_MS": "500",
    "RECONCILIATION_BREAKER_OPEN_MS": "30000",
    "RECONCILIATION_RETRY_INITIAL_MS": "50",
    "RECONCILIATION_RETRY_CAP_MS": "200",
}
HOLD_FAULTS = {"name": "words", "unknown_status_rate": 0.004}
"""Some orders have a status that nobody knows: they go on hold."""

OUTAGE = {"name": "outage", "error_rate": 1.0}


@dataclass(frozen=True, kw_only=True)
class ChaosRun:
    """The run, and how to ask about it."""

    demo: Demo
    environment: Mapping[str, str]
    socket: Path
    supervisor: SupervisorProcess

    def wait_for_status(self, is_so: Callable[[SupervisorStatus], bool]) -> SupervisorStatus:
        """Ask the supervisor until its status is so; on a busy machine it may answer late.

        Raises:
            TimeoutError: it never was so.
            RuntimeError: the supervisor has ended.
        """
        until = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < until:
            self.supervisor.start_again_if_too_slow()
            with suppress(NoSupervisor):
                status = ask(ControlAddress.at(self.socket), "status", SupervisorStatus)
                if is_so(status):
                    return status
            time.sleep(LOOK_SECONDS)
        raise TimeoutError("the supervisor's status never became as it should")

    def kill_workers(self, number: int) -> None:
        """Kill workers as the system does when memory runs out."""
        status = self.wait_for_status(lambda status: len(_pids(status)) >= number)
        for pid in _pids(status)[:number]:
            with suppress(ProcessLookupError):  # it has died by itself since
                os.kill(pid, signal.SIGKILL)

    def wait_until_changed(self) -> None:
        """Wait until an order has been changed, and one is on hold.

        Raises:
            TimeoutError: all are as they were.
        """
        until = time.monotonic() + DEADLINE_SECONDS
        while not self._has_changes():
            if time.monotonic() > until:
                raise TimeoutError("no order is changed and held")
            time.sleep(LOOK_SECONDS)

    def _has_changes(self) -> bool:
        with self.demo.database.autocommit() as connection:
            return bool(
                connection.exec_driver_sql(
                    "SELECT EXISTS (SELECT FROM activity_log"
                    " WHERE action = 'reconciliation.update')"
                    " AND EXISTS (SELECT FROM reconciliation_holds)"
                ).scalar_one()
            )

    def wait_until_open(self, breakers: int) -> None:
        """Wait until that number of shards has an open breaker."""
        self.wait_for_status(
            lambda status: sum(worker.breaker == "open" for worker in status.workers) >= breakers
        )


def _pids(status: SupervisorStatus) -> list[int]:
    return [worker.pid for worker in status.workers if worker.pid is not None]


@contextmanager
def chaos_run(
    folder: Path, *, orders: int, seconds: float, metrics: Mapping[str, str]
) -> Iterator[ChaosRun]:
    """Run a supervisor for `seconds` among faults; yield in the middle of an outage."""
    with open_demo() as demo:
        demo.fill(orders=orders, symbols=SYMBOLS, seed=7)
        demo.go_stale_within(seconds)
        demo.exchange.set_faults(**HOLD_FAULTS)
        socket = folder / "control.sock"
        environment = {
            **demo.environment,
            **SETTINGS,
            "RECONCILIATION_STALE_MINUTES": str(seconds / SWEEPS / 60),
            **metrics,
            "RECONCILIATION_CONTROL_SOCKET": str(socket),
        }
        with SupervisorProcess(environment) as supervisor:
            run = ChaosRun(demo=demo, environment=environment, socket=socket, supervisor=supervisor)
            run.wait_for_status(lambda status: status.phase is Phase.RUNNING)
            time.sleep(seconds / 2)
            run.kill_workers(2)
            time.sleep(seconds / 2)
            run.wait_until_changed()
            demo.exchange.set_faults(**OUTAGE)
            run.wait_until_open(SHARDS)
            yield run
