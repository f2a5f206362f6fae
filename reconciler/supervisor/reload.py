"""New settings for a running supervisor. They are validated before any worker is replaced."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from reconciler.errors import ReconcilerError
from reconciler.statsd_target import StatsdTarget
from reconciler.supervisor.options import Options
from reconciler.supervisor.threads import run_in_daemon_thread
from reconciler.workload import Planner, Workload

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The workload of a supervisor, and its options. `set_up_worker` is as in `Supervisor`.

    `statsd` is where its metrics go.
    """

    workload: Workload
    options: Options
    set_up_worker: Callable[[int], Callable[[], None]]
    statsd: StatsdTarget = field(default_factory=StatsdTarget)


class Reloader:
    """Reads new settings at each request, one request after another."""

    def __init__(self, read: Callable[[], RunConfig]) -> None:
        """Prepare. `read` reads the settings again, and raises if they are invalid."""
        self._read = read
        self._is_requested = asyncio.Event()

    def request(self) -> None:
        """Read the settings soon."""
        self._is_requested.set()

    async def next(self) -> tuple[RunConfig, Planner]:
        """Wait for a request with valid settings; return them, and a planner that uses them.

        Invalid settings are logged, and the old ones stay in force.
        """
        while True:
            await self._is_requested.wait()
            self._is_requested.clear()
            try:
                run_config = await run_in_daemon_thread(self._read)
                planner = await run_in_daemon_thread(run_config.workload.open_planner)
            except ReconcilerError as error:
                log.error("supervisor.reload_refused", problem=str(error))  # noqa: TRY400 - it is the person's
            else:
                return run_config, planner
