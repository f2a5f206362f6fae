"""The steps of an operator after an incident."""

from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.store.holds import dismiss_hold, list_holds

EVERY_HOLD = 5_000_000


def clear_holds_and_halt(database: Database, *, by: str) -> None:
    """Dismiss every hold and release the halt."""
    with database.transaction() as connection:
        shared_state.release_halt(connection)
        for hold in list_holds(connection, reason=None, with_resolved=False, limit=EVERY_HOLD):
            dismiss_hold(connection, hold.order_id, by=by)
