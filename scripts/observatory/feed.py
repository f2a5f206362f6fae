"""A demo that goes on: an exchange whose orders move, and a reconciler that sends its metrics."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from reconciler import safe_path
from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo, open_demo
from reconciler.errors import NoSupervisor
from reconciler.paper.dialects.binance import DIALECT
from reconciler.supervisor.status import SupervisorStatus
from scripts.observatory.child import Child
from tests.chaos.recovery import clear_holds_and_halt
from tests.chaos.schedule import Schedule, plan_chaos

STALE_SECONDS = 30
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "XRPUSDT")
FIRST_ID = 10**12
"""The new orders' ids; above those that the exchange begins with."""

OLD_SECONDS = 90
"""How long ago the platform last saw a new order: it is stale at once."""

STEP_SECONDS = 5.0
NEW_A_STEP = 20
OPEN_SHARE = 0.05
PARTIAL_SHARE = 0.15
ADVANCE_EVERY = 6
CHAOS_SECONDS = 60.0
QUIET_SECONDS = 30.0


@dataclass(kw_only=True)
class Feed:
    """The running demo. `step` makes it go on; call it every `STEP_SECONDS`.

    Attributes:
        log: The reconciler's log.
    """

    demo: Demo
    log: Path
    control: Path
    rng: Random
    has_chaos: bool
    _steps: int = 0
    _chaos: Schedule | None = None
    _chaos_began: float = field(default_factory=time.monotonic)
    _kills: int = 0

    def step(self) -> None:
        """Place orders, let others move on, and go on with the chaos."""
        for _ in range(NEW_A_STEP):
            self._place()
        self._steps += 1
        if self._steps % ADVANCE_EVERY == 0:
            self.demo.exchange.advance_orders()
        if self.has_chaos:
            self._go_on_with_chaos()

    def _place(self) -> None:
        """Place an order of which the platform's row missed everything since it was new."""
        now_ms = int(time.time() * 1000)
        drawn = self.rng.random()
        if drawn < OPEN_SHARE:
            status, executed = "NEW", "0"
        elif drawn < OPEN_SHARE + PARTIAL_SHARE:
            status, executed = "CANCELED", "0.5"
        else:
            status, executed = "FILLED", "1"
        self.demo.place(
            symbol=self.rng.choice(SYMBOLS),
            order_id=FIRST_ID + now_ms * 1000 + self.rng.randrange(1000),
            status=status,
            executed_qty=executed,
            created_at=now_ms - OLD_SECONDS * 1000,
            updated_at=now_ms - self.rng.randrange(10_000),
            seen={"status": "NEW"},
        )

    def _go_on_with_chaos(self) -> None:
        """Begin a chaos, kill the workers whose time has come, or clean up after it."""
        seconds = time.monotonic() - self._chaos_began
        if self._chaos is None and seconds > QUIET_SECONDS:
            self._chaos = plan_chaos(DIALECT, seconds=CHAOS_SECONDS, rng=self.rng)
            self._chaos_began, self._kills = time.monotonic(), 0
            self.demo.exchange.set_timeline(self._chaos.steps)
        elif self._chaos is not None and seconds > CHAOS_SECONDS:
            self._chaos, self._chaos_began = None, time.monotonic()
            self.demo.exchange.clear_faults()
            clear_holds_and_halt(self.demo.database, by="observe")
        elif self._chaos is not None:
            due = sum(at < seconds for at in self._chaos.kills_at_seconds)
            for _ in range(due - self._kills):
                self._kill_a_worker()
            self._kills = due

    def _kill_a_worker(self) -> None:
        with suppress(NoSupervisor, ProcessLookupError):
            status = ask(ControlAddress.at(self.control), "status", SupervisorStatus)
            pids = [worker.pid for worker in status.workers if worker.pid is not None]
            if pids:
                os.kill(self.rng.choice(pids), signal.SIGKILL)


@contextmanager
def run_feed(
    folder: Path,
    statsd: dict[str, str],
    *,
    prefix: str,
    orders: int,
    has_chaos: bool,
) -> Iterator[Feed]:
    """Start the demo and its reconciler in `folder`; end them after the block.

    Raises:
        ConfigurationError: the database, the exchange or the reconciler did not start.
    """
    control = folder / "control.sock"
    with open_demo() as demo:
        demo.fill(orders=orders, symbols=12, seed=1)
        settings = {
            **demo.environment,
            **statsd,
            "STATSD_PREFIX": prefix,
            "RECONCILIATION_SHARDS": "2",
            "RECONCILIATION_INTERVAL_MS": "2000",
            "RECONCILIATION_STALE_MINUTES": str(STALE_SECONDS / 60),
            "RECONCILIATION_CONTROL_SOCKET": str(control),
            "LOG_FORMAT": "json",
        }
        command = (*safe_path.COMMAND, "run")
        reconciler = Child("reconciler", command, folder=folder, environment=settings)
        try:
            yield Feed(
                demo=demo,
                log=folder / "log" / "reconciler.log",
                control=control,
                rng=Random(1),  # noqa: S311 - to be the same each time
                has_chaos=has_chaos,
            )
        finally:
            reconciler.stop()
