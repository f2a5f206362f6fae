"""Database writes in the background: of cycles, holds, the halt and pauses; and of nonces."""

import asyncio
from collections.abc import Callable

import structlog

from reconciler.errors import StoreRefused, StoreUnavailable
from reconciler.supervisor.threads import run_in_daemon_thread
from reconciler.workload import Planner

BackgroundWrite = Callable[[Planner], None]

log = structlog.get_logger(__name__)


class BackgroundWrites:
    """Runs one write after another, in a thread, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[BackgroundWrite | None] = asyncio.Queue()

    def add(self, write: BackgroundWrite) -> None:
        """Queue a write."""
        self._waiting.put_nowait(write)

    @property
    def has_room(self) -> bool:
        """True while at most one write waits: what is done again later can be added."""
        return self._waiting.qsize() <= 1

    def end(self) -> None:
        """End `work` when all writes added so far are done."""
        self._waiting.put_nowait(None)

    async def work(self, planner: Callable[[], Planner]) -> None:
        """Run the writes with the current planner, until `end`.

        A write that fails is logged. Unwritten cycles are written again with the next one. No
        failure here stops the service, because nothing waits for the write.
        """
        while (write := await self._waiting.get()) is not None:
            try:
                await run_in_daemon_thread(write, planner())
            except (StoreUnavailable, StoreRefused) as error:
                log.warning("background_write.failed", reason=str(error))
            except Exception:
                log.exception("background_write.crashed")
