"""The supervisor's own settings."""

from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.restarts import RestartPolicy

PAGE_ITEMS = 20_000
"""Items planned at once, enough that a symbol's orders come together and share their requests.
A page a fifth as long cost 1.5 times the request weight (50,000 orders of 12 symbols)."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The supervisor's own settings.

    Attributes:
        is_once: End after one sweep.
        stall_timeout: When running once, give up after this time with nothing but faults.
        start_timeout: When running as a service, give up if an outage or deaths keep every worker
            from getting ready for this long after the start.
        hang_after: Kill a worker that has sent no heartbeat for this long.
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
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
    halt: HaltPolicy = field(default_factory=HaltPolicy)

    @property
    def page_items(self) -> int:
        """The number of items planned at once."""
        return max(PAGE_ITEMS, self.shards * self.batch_size)
