"""Writes and round trips of reconciling a row, and what stays of it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psycopg
from sqlalchemy import text

from reconciler.store.database import Database
from reconciler.store.open_index import OPEN_INDEX
from reconciler.trial.scratch_database import ScratchDatabase
from reconciler.workload import Batch, Chunk
from scripts.benchmark.figures import Figure
from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import Rows
from scripts.benchmark.store.apply_step import ApplyStep, batches_of, read_stale
from scripts.benchmark.store.limit import Limit
from scripts.benchmark.store.planned import OurWriter
from scripts.benchmark.store.single_process import SingleProcess
from scripts.benchmark.store.take_rows import LeaseColumns, StaleQueryHoldingLocks

BATCH = 200
TABLE_BYTES = "bytes of a row of orders, with its indexes"
INDEX_BYTES = "bytes of an open order in our index, as built"
USED_INDEX_BYTES = "bytes of an open order in our index, after each was confirmed once"
CONFIRMED_LOG_BYTES = "log bytes of an order that is confirmed, right after a checkpoint"
CONFIRMED_AGAIN_LOG_BYTES = "log bytes of an order that is confirmed again"
CHANGED_LOG_BYTES = "log bytes of an order that is changed"
ENTRY_BYTES = "bytes of an entry of activity_log, with its indexes"

_STALE_AFTER = timedelta(minutes=5)
_END_OF_ANSWER = "ReadyForQuery"
_LOG_POSITION = text("SELECT pg_current_wal_insert_lsn()")
_LOG_SINCE = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), cast(:since AS pg_lsn))")
_DEAD = text("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = to_regclass('orders')")
_SIZE = text("SELECT pg_total_relation_size(to_regclass(:name))")


def written(
    scratch: ScratchDatabase, rows: Rows, configs: Sequence[WorkerConfig]
) -> Iterator[Figure]:
    """Yield log bytes and dead rows an order, for each way of working."""
    contenders: Sequence[SingleProcess] = (
        OurWriter(rows),
        Limit(rows),
        StaleQueryHoldingLocks(rows),
        LeaseColumns(rows),
    )
    for contender in contenders:
        with contender.at_work(scratch, configs) as work:
            contender.prepare(scratch)
            since = _log_position(scratch)
            work()
            log_bytes = _log_bytes(scratch, since)
            contender.require_done(scratch)
        with scratch.database.autocommit() as connection:
            dead = float(connection.execute(_DEAD).scalar_one())
        yield _figure(f"log bytes an order, {contender.name}", "bytes", log_bytes / rows.orders)
        yield _figure(f"dead rows an order, {contender.name}", "rows", dead / rows.orders)


def steady(scratch: ScratchDatabase, rows: Rows) -> Iterator[Figure]:
    """Yield what an order takes that is looked at and has not changed, and what one takes at all.

    Every open order is confirmed twice; nothing is vacuumed meanwhile. The first change of a page
    after a checkpoint writes the whole page to the log.
    """
    unchanged = replace(rows, changed_share=0)
    rows.put_back(scratch.database)
    yield _figure(TABLE_BYTES, "bytes", _size_of(scratch, "orders") / rows.total)
    yield _figure(INDEX_BYTES, "bytes", _size_of(scratch, OPEN_INDEX) / rows.orders)
    since = _log_position(scratch)
    _apply(scratch, unchanged)
    unchanged.require_done(scratch.database, "the apply step", rows.orders)
    yield _figure(CONFIRMED_LOG_BYTES, "bytes", _log_bytes(scratch, since) / rows.orders)
    since = _log_position(scratch)
    _apply(scratch, unchanged, timedelta(0))
    yield _figure(CONFIRMED_AGAIN_LOG_BYTES, "bytes", _log_bytes(scratch, since) / rows.orders)
    yield _figure(USED_INDEX_BYTES, "bytes", _size_of(scratch, OPEN_INDEX) / rows.orders)
    rows.put_back(scratch.database)
    since = _log_position(scratch)
    _apply(scratch, rows)
    rows.require_done(scratch.database, "the apply step", rows.orders)
    yield _figure(CHANGED_LOG_BYTES, "bytes", _log_bytes(scratch, since) / rows.orders)
    yield _figure(ENTRY_BYTES, "bytes", _size_of(scratch, "activity_log") / rows.orders)


def _apply(scratch: ScratchDatabase, rows: Rows, stale_after: timedelta = _STALE_AFTER) -> None:
    """Reconcile all rows with our apply step."""
    answers = rows.answers()
    with closing(Database(scratch.url, role="bench")) as database:
        step = ApplyStep(database, rows_per_transaction=BATCH)
        for batch in batches_of(read_stale(database, stale_after), BATCH):
            step.apply(batch, answers)


def round_trips(scratch: ScratchDatabase, rows: Rows) -> int:
    """Count how often the write of one batch of 200 waits for the server, COMMIT included."""
    rows.put_back(scratch.database)
    answers = rows.answers()
    with closing(Database(scratch.url, role="bench")) as database:
        step = ApplyStep(database, rows_per_transaction=BATCH)
        orders = read_stale(database, _STALE_AFTER)[:BATCH]
        chunk = Chunk(key="", items=tuple(orders), cost=0)
        batch = Batch(number=0, cycle=0, chunks=(chunk,))
        with tempfile.TemporaryFile("w+") as trace:
            with database.connection() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)  # noqa: S101 - it is our driver
                driver.pgconn.trace(trace.fileno())
            step.apply(batch, answers)
            driver.pgconn.untrace()
            trace.seek(0)
            return sum(_END_OF_ANSWER in line for line in trace)


def _log_position(scratch: ScratchDatabase) -> str:
    with scratch.database.autocommit() as connection:
        return str(connection.execute(_LOG_POSITION).scalar_one())


def _log_bytes(scratch: ScratchDatabase, since: str) -> float:
    with scratch.database.autocommit() as connection:
        return float(connection.execute(_LOG_SINCE, {"since": since}).scalar_one())


def _size_of(scratch: ScratchDatabase, relation: str) -> float:
    """Return the bytes of a table with its indexes and long values, or of an index."""
    with scratch.database.autocommit() as connection:
        return float(connection.execute(_SIZE, {"name": relation}).scalar_one())


def _figure(name: str, unit: str, value: float) -> Figure:
    return Figure(name=name, unit=unit, values=(value,))
