"""The summary of a supervisor's work so far, and the reason for its end."""

from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.workload import Counts


class StopReason(StrEnum):
    """The reason why the supervisor ended."""

    STOPPED = "stopped"
    COMPLETED = "completed"
    STORE_GONE = "store_gone"
    EXCHANGE_GONE = "exchange_gone"
    HALTED = "halted"
    LOG_GONE = "log_gone"


@dataclass(kw_only=True)
class Summary:
    """The counts of a supervisor's work so far, and the reason for its end.

    Attributes:
        restarts: Workers that died and were replaced.
        killed_hung: Workers that hung and were killed; `restarts` counts them too.
        set_aside: Items put on hold because they crash workers.
        not_asked: Items left to the next sweep without a request, because requests about the same
            symbol or account keep failing.
        unchanged: Items that were looked at and left as they are, undecided.
        killed_at_stop: Workers that had not ended when the time for the drain was over.
        fault: Why it gave up or writes nothing, for a person; None if there is no such reason.
    """

    counts: Counts = field(default_factory=Counts)
    cycles: int = 0
    restarts: int = 0
    killed_hung: int = 0
    set_aside: int = 0
    not_asked: int = 0
    unchanged: int = 0
    killed_at_stop: int = 0
    ending: StopReason = StopReason.STOPPED
    fault: str | None = None
