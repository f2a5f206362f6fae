"""How much of the table is out of date. Pure."""

from reconciler.telemetry.health.vitals import Vitals

MOST = 0.5
"""The share of the open orders above which what the table says is mostly not confirmed."""


def is_in_first_sync(vitals: Vitals) -> bool:
    """Return True while the table's first sync has not looked at all orders that are stale."""
    unreached = vitals.unreached_orders
    return vitals.last_hour.is_first_sync if unreached is None else unreached > 0


def are_most_stale(vitals: Vitals) -> bool:
    """Return True if most open orders are stale, but for the first sync, where that is usual.

    It is also usual for a moment, when orders that were synced together become stale together. So
    it is an alarm only together with what keeps them from being worked off.
    """
    if not vitals.stale_orders or vitals.open_orders is None or is_in_first_sync(vitals):
        return False
    return vitals.stale_orders > MOST * vitals.open_orders
