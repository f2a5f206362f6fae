"""What must be written down and nobody waits for: cycles, holds, the halt."""

import asyncio
from collections.abc import Callable

import structlog

from reconciler.errors import StoreRefused, StoreUnavailable
from reconciler.supervisor.threads import run_in_daemon_thread
from reconciler.workload import Planner

BackgroundWrite = Callable[[Planner], None]

log = structlog.get_logger(__name__)


class BackgroundWrites:
    """Does one after another, in a thread, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[BackgroundWrite | None] = asyncio.Queue()
        self._is_working = False

    def add(self, write: BackgroundWrite) -> None:
        """Have it done soon."""
        self._waiting.put_nowait(write)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being done, or waits."""
        return self._waiting.empty() and not self._is_working

    def end(self) -> None:
        """Let `work` end when all that has come so far is done."""
        self._waiting.put_nowait(None)

    async def work(self, planner: Callable[[], Planner]) -> None:
        """Do what comes, until told to end, with the planner of the moment.

        What the database does not take is logged; cycles are written with the next chore. Nothing
        that fails here ends the service: nobody waits for it.
        """
        while (write := await self._waiting.get()) is not None:
            self._is_working = True
            try:
                await run_in_daemon_thread(write, planner())
            except (StoreUnavailable, StoreRefused) as error:
                log.warning("background_write.failed", reason=str(error))
            except Exception:
                log.exception("background_write.crashed")
            finally:
                self._is_working = False
