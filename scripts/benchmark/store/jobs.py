"""A queue's job for one order: the same rows and log entries as of all other contenders.

One statement and one round trip; it decides nothing, which spares the queues a little. They get
fewer orders than the others, so that a round ends: a longer queue makes none of them faster.
"""

from scripts.benchmark.rows import Rows

AT_ONCE = 10
"""Jobs of a worker that write at the same time, each by a connection of its own.

By trial: with one connection for all of them pgqueuer did a third of the orders, and procrastinate
three quarters; with 20 at once neither did more than rounds differ by.
"""

CHANGE = (
    "WITH changed AS (UPDATE orders SET status = {0}, executed_qty = {1}, avg_price = {2},"
    " last_synced_at = now(), updated_at = now() WHERE id = {3} AND status = 'new' RETURNING id)"
    " INSERT INTO activity_log (order_id, action, details, created_at)"
    " SELECT id::text, 'reconciliation.update', {4}, now() FROM changed"
)

CONFIRM = "UPDATE orders SET last_synced_at = now() WHERE id = {0} AND status = 'new'"


def share_of(rows: Rows, divisor: int, least: int) -> int:
    """Return how many of the orders are queued: a part of them, but not too few to measure."""
    return min(rows.orders, max(least, rows.orders // divisor))
