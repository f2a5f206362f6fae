"""What a supervisor is told at its start, and what it has done at its end."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from reconciler.control.socket_path import SocketPath
from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.workload import Counts, ProposedChange

PAGE_ITEMS = 20_000
"""Planned at once: so many that a symbol's orders come together and share their requests.
A page a fifth as long cost 1.5 times the request weight (50,000 orders of 12 symbols)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The supervisor's own settings.

    Attributes:
        is_once: End after one sweep.
        patience: In a single sweep, give up when only trouble has come for so long.
        start_patience: Else, give up when no worker was ready so long after the start.
        hang_after: Kill a worker from whose loop nothing was heard for so long.
        control_socket: Where to listen for questions; None: nowhere.
    """

    shards: int
    batch_size: int
    interval: timedelta
    drain: timedelta
    rate_share: float
    is_once: bool = False
    stall_timeout: timedelta = timedelta(seconds=30)
    start_timeout: timedelta = timedelta(seconds=8)
    hang_after: timedelta = timedelta(seconds=30)
    control_socket: SocketPath | Path | None = None
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    halt: HaltPolicy = field(default_factory=HaltPolicy)

    @property
    def page_items(self) -> int:
        """How many items are planned at once."""
        return max(PAGE_ITEMS, self.shards * self.batch_size)


class StopReason(StrEnum):
    """Why the supervisor ended."""

    STOPPED = "stopped"
    COMPLETED = "completed"
    STORE_GONE = "store_gone"
    EXCHANGE_GONE = "exchange_gone"
    HALTED = "halted"
    LOG_GONE = "log_gone"


@dataclass(kw_only=True)
class Summary:
    """What a run of the supervisor has done so far.

    Attributes:
        killed_hung: Workers that hung; they are among the restarts.
        set_aside: Items that are on hold because workers died over them.
        not_asked: Items left to the next sweep without a try: what they are about fails.
        killed_at_stop: Workers that had not ended when the time for the drain was over.
        trouble: What made it give up, for a person; None if it did not.
    """

    counts: Counts = field(default_factory=Counts)
    cycles: int = 0
    restarts: int = 0
    killed_hung: int = 0
    set_aside: int = 0
    not_asked: int = 0
    killed_at_stop: int = 0
    ending: StopReason = StopReason.STOPPED
    fault: str | None = None
    proposals: list[ProposedChange] = field(default_factory=list)
