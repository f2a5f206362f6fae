"""What the coordinator tells the supervisor."""

from typing import Protocol

from reconciler.supervisor.summary import StopReason


class CoordinatorListener(Protocol):
    """Callbacks for events that may stop the supervisor or reset its stall timeout."""

    def on_ready(self) -> None:
        """Record that a worker is ready."""
        ...

    def on_progress(self) -> None:
        """Show the summary, which has changed."""
        ...

    def on_notes(self, notes: object) -> None:
        """Pass on what a handler noted for the planner."""
        ...

    def on_set_aside(self, items: int) -> None:
        """Count items that are put on hold because they crash workers."""
        ...

    def on_success(self) -> None:
        """Record that an item was done without a failure."""
        ...

    def on_outage(self, stop_reason: StopReason, message: str, retry_after_seconds: float) -> None:
        """Record that the database or the exchange is unavailable; stop if it lasts too long.

        `stop_reason` is the reason to give if this ends the supervisor.
        """
        ...

    def on_death(self) -> None:
        """Record that a worker has died."""
        ...

    def on_fatal_error(self, error: BaseException) -> None:
        """Stop because of an error that no retry can fix; `run` raises it."""
        ...
