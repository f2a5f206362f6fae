"""The steps of an operator after an incident."""

from reconciler.scope import UNSCOPED
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.store.holds import dismiss_hold, list_holds

EVERY_HOLD = 5_000_000


def clear_holds_and_halt(database: Database, *, by: str) -> None:
    """Dismiss every hold and release the halt."""
    with database.transaction() as connection:
        shared_state.release_halt(connection, UNSCOPED)
        held = list_holds(connection, UNSCOPED, reason=None, with_resolved=False, limit=EVERY_HOLD)
        for hold in held:
            dismiss_hold(connection, UNSCOPED, hold.order_id, by=by)
