"""Sweep after sweep over the same rows by the product's own code, and what the confirms leave.

Every order is found as it was. Nothing is vacuumed meanwhile. The first sweep is not counted: after
a checkpoint the first change of a page writes the whole page to the log.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from reconciler.store.database import Database
from reconciler.store.side_table import SIDE_TABLE, create_side_table
from reconciler.store.user_table import DEFAULT_TABLE
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.rounds import Progress
from scripts.benchmark.rows import Rows
from scripts.benchmark.steady_state.meters import Reading, read_meters
from scripts.benchmark.store.apply_step import ApplyStep, batches_of, read_stale
from scripts.benchmark.upkeep.bloat import Updates

ALWAYS_STALE = timedelta(0)

_TAKE_BACK = text(
    "UPDATE orders SET last_synced_at = s.last_synced_at"
    " FROM reconciliation_sync AS s WHERE s.order_id = orders.id"
)


@dataclass(frozen=True, kw_only=True)
class SweepsOutcome:
    """What a confirm has written, on average over all sweeps but the first.

    Attributes:
        log_bytes: Of the write-ahead log, for each confirm.
        hot_share: Of the confirms, 0 to 1.
        growth: The bytes by which each index has grown in all of these sweeps, by name.
    """

    log_bytes: float
    hot_share: float
    growth: Mapping[str, int]


def sweep_repeatedly(
    scratch: ScratchDatabase,
    rows: Rows,
    *,
    sweeps: int,
    batch_size: int,
    on_progress: Progress,
    with_side_table: bool = False,
) -> SweepsOutcome:
    """Confirm all of `rows` once for the start, then `sweeps` times.

    With the side table the confirms are its updates, and no row of `orders` may be written.

    Raises:
        BenchFailed: an order was not confirmed, or was changed.
    """
    rows.make(scratch.database)
    rows.put_back(scratch.database)
    with closing(Database(scratch.url, role="bench")) as database:
        if with_side_table:
            with database.transaction() as connection:
                create_side_table(connection, DEFAULT_TABLE)
        untouched = read_meters(database).updates
        step = ApplyStep(database, rows_per_transaction=batch_size)
        readings = []
        for number in range(sweeps + 1):
            on_progress(f"sweep {number} of {sweeps}")
            _sweep(database, rows, step, batch_size)
            readings.append(read_meters(database, SIDE_TABLE if with_side_table else "orders"))
        if with_side_table:
            _require_none(read_meters(database).updates - untouched)
            with database.transaction() as connection:
                connection.execute(_TAKE_BACK)
    rows.require_done(scratch.database, "the apply step", rows.orders)
    return _outcome(readings[0], readings[-1], rows.orders * sweeps)


def _require_none(updates: Updates) -> None:
    """Raise BenchFailed unless there were no updates."""
    if updates.updates:
        raise BenchFailed(f"{updates.updates:,} rows of orders were updated, with the side table")


def _sweep(database: Database, rows: Rows, step: ApplyStep, batch_size: int) -> None:
    stale = read_stale(database, ALWAYS_STALE)
    answers = rows.answers()
    for batch in batches_of(stale, batch_size):
        step.apply(batch, answers)


def _outcome(before: Reading, after: Reading, confirms: int) -> SweepsOutcome:
    return SweepsOutcome(
        log_bytes=(after.log_bytes - before.log_bytes) / confirms,
        hot_share=(after.updates - before.updates).percent_in_place / 100,
        growth=after.growth_since(before),
    )
