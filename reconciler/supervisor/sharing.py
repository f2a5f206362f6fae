"""Share this supervisor's live state with the other hosts, and know theirs.

The state is recorded as soon as it changes, but at most once in `CHECK_SECONDS`, and every
`SHARE_SECONDS` in any case: that tells that this supervisor still runs. Figures that another page
changes wait for that, or a busy supervisor would write every second.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from reconciler.errors import StoreRefused, StoreUnavailable
from reconciler.supervisor.background_writes import BackgroundWrites
from reconciler.supervisor.own_state import OwnState
from reconciler.telemetry.health import HostState
from reconciler.workload import Planner, SharedState

CHECK_SECONDS = 1.0
SHARE_SECONDS = 10.0

MAX_AGEING_SECONDS = 15.0
"""The others' states are read every `SHARE_SECONDS`. If they cannot be read, they age no further:
it is not the others who are silent."""


class StateSharing:
    """Records the live state in the background, and keeps what the others have recorded."""

    def __init__(
        self,
        own: OwnState,
        build: Callable[[], HostState],
        writes: BackgroundWrites,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own = own
        self._build = build
        self._writes = writes
        self._monotonic = monotonic
        self._shared = SharedState()
        self._read_at = 0.0
        self._recorded: HostState | None = None
        self._recorded_at = 0.0

    @property
    def others(self) -> tuple[HostState, ...]:
        """The live states of the other supervisors, as of now."""
        passed = min(self._monotonic() - self._read_at, MAX_AGEING_SECONDS)
        return tuple(
            replace(host, silent_seconds=host.silent_seconds + passed)
            for host in self._shared.hosts
            if host.instance != self._own.instance
        )

    @property
    def halted(self) -> str | None:
        """Why nothing may be written, as the database said last."""
        return self._shared.halted

    async def run(self) -> None:
        """Record the state until cancelled."""
        while True:
            state = self._build()
            is_due = self._monotonic() - self._recorded_at >= SHARE_SECONDS
            if self._writes.has_room and (is_due or self._is_news(state)):
                self._writes.add(partial(self._share, state))
            await asyncio.sleep(CHECK_SECONDS)

    def end(self) -> None:
        """Remove the state in the background: this supervisor stops."""
        state = self._build()
        self._writes.add(lambda planner: planner.end_sharing(state))

    def _share(self, state: HostState, planner: Planner) -> None:
        """Record a state, and read the others'. Called from a thread.

        A failure is no event of its own: it is part of the state, and the next record of a cycle
        logs it.
        """
        try:
            shared = planner.share(state)
        except (StoreUnavailable, StoreRefused) as error:
            self._own.sharing_failure = str(error)
            return
        self._own.sharing_failure = None
        self._recorded, self._recorded_at = state, self._monotonic()
        if shared is not None:
            self._shared, self._read_at = shared, self._recorded_at

    def _is_news(self, state: HostState) -> bool:
        passed_seconds = self._monotonic() - self._recorded_at
        return self._recorded is None or is_news(state, self._recorded, passed_seconds)


def is_news(state: HostState, recorded: HostState, passed_seconds: float) -> bool:
    """Return True if a state says more than one that was recorded some seconds ago, and time."""
    pause_seconds = max(0.0, recorded.pause_seconds - passed_seconds)
    if abs(state.pause_seconds - pause_seconds) > CHECK_SECONDS:
        return True
    return _without_figures(state) != _without_figures(recorded)


def _without_figures(state: HostState) -> HostState:
    """Return a state without times, and with no more of the last page than whether it had any."""
    return replace(
        state,
        uptime_seconds=0.0,
        pause_seconds=0.0,
        planned_orders=min(1, state.planned_orders),
        planned_weight=min(1, state.planned_weight),
    )
