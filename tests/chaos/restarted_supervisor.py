"""`reconciler run` that is started again whenever it ends, as supervisord does it."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from reconciler.cli.exit_codes import Exit
from reconciler.demo import Demo
from tests.chaos.supervisor_process import HANG_SECONDS, SupervisorProcess

PAUSE_SECONDS = 0.3
# TERM in the first moment, before the program handles it, ends the program at once.
EXPECTED_EXITS = {-signal.SIGKILL, -signal.SIGTERM, Exit.OK, Exit.UNAVAILABLE}
BUG_EVENTS = ("command.crashed", "control.bug", "supervisor.bug", "worker.bug")
TRACEBACK_LINES = 40


class RestartedSupervisor(SupervisorProcess):
    """A supervisor that is started again whenever it ends, for the length of a `with`.

    Attributes:
        exits: The number of ends, by exit code.
    """

    def __init__(self, demo: Demo) -> None:
        super().__init__(
            {
                **demo.environment,
                "RECONCILIATION_SHARDS": "3",
                "RECONCILIATION_INTERVAL_MS": "300",
                "RECONCILIATION_STALE_MINUTES": str(2 / 60),
                "RECONCILIATION_BATCH_SIZE": "50",
                "RECONCILIATION_BREAKER_OPEN_MS": "500",
                "RECONCILIATION_RETRY_INITIAL_MS": "20",
                "RECONCILIATION_RETRY_CAP_MS": "100",
                "RECONCILIATION_RATE_SHARE": "1",
                "RECONCILIATION_DRAIN_SECONDS": "3",
                "RECONCILIATION_RESTART_MAX": "100",
                "LOG_FORMAT": "json",
            }
        )
        self._is_over = threading.Event()
        self.exits = Counter[int]()

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread = threading.Thread(target=self._restart_until_over, name="supervisord")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        super().__exit__(kind, error, trace)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor; do nothing if it has just ended."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def stop(self) -> int:
        """Tell it to drain, and start it no more; return its exit code."""
        self._is_over.set()
        self.send(signal.SIGTERM)
        self._thread.join(HANG_SECONDS)
        if self._thread.is_alive():
            self.process.kill()
            self._thread.join()
        return self.process.returncode

    def unexpected_lines(self) -> Iterator[str]:
        """Yield the log's bugs and tracebacks, and each exit code that no signal explains."""
        lines = self.log_lines()
        for place, line in enumerate(lines):
            if any(f'"{event}"' in line for event in BUG_EVENTS):
                yield line.strip()[-2000:]
            elif line.startswith("Traceback"):
                yield "".join(lines[place - 1 : place + TRACEBACK_LINES])
        for code in self.exits.keys() - EXPECTED_EXITS:
            last_lines = "".join(lines[-3:])
            yield f"the supervisor ended with code {code}, {self.exits[code]} times: {last_lines}"

    def _restart_until_over(self) -> None:
        while True:
            self.exits[self.process.wait()] += 1
            if self._is_over.wait(PAUSE_SECONDS):
                return
            self.start()
