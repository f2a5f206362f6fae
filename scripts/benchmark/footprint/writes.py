"""Writes and round trips of reconciling a row, and what stays of it."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial

import psycopg
from sqlalchemy import text

from reconciler.domain.decide import decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.store.database import Database
from reconciler.store.open_index import OPEN_INDEX
from reconciler.store.order_writer import OrderWriter
from reconciler.store.tables import read_orders_table
from reconciler.trial.scratch_database import ScratchDatabase
from scripts.benchmark.figures import Figure
from scripts.benchmark.process_group import WorkerConfig
from scripts.benchmark.rows import EXCHANGE, Rows, stalest
from scripts.benchmark.store.changes import POLICY
from scripts.benchmark.store.limit import Limit
from scripts.benchmark.store.planned import OurWriter
from scripts.benchmark.store.single_process import SingleProcess
from scripts.benchmark.store.take_rows import LeaseColumns, StaleQueryHoldingLocks

BATCH = 200
TABLE_BYTES = "bytes of a row of orders, with its indexes"
INDEX_BYTES = "bytes of an open order in the stale index, as built"
USED_INDEX_BYTES = "bytes of an open order in the stale index, after each was confirmed once"
CONFIRMED_LOG_BYTES = "log bytes of an order that is confirmed"
CHANGED_LOG_BYTES = "log bytes of an order that is changed"
ENTRY_BYTES = "bytes of an entry of activity_log, with its indexes"

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

    Every open order is confirmed once; nothing is vacuumed meanwhile.
    """
    rows.put_back(scratch.database)
    yield _figure(TABLE_BYTES, "bytes", _size_of(scratch, "orders") / rows.total)
    yield _figure(INDEX_BYTES, "bytes", _size_of(scratch, OPEN_INDEX) / rows.orders)
    since = _log_position(scratch)
    _apply(scratch, {id_: _still_open(answer) for id_, answer in rows.answers().items()})
    yield _figure(CONFIRMED_LOG_BYTES, "bytes", _log_bytes(scratch, since) / rows.orders)
    yield _figure(USED_INDEX_BYTES, "bytes", _size_of(scratch, OPEN_INDEX) / rows.orders)
    rows.put_back(scratch.database)
    since = _log_position(scratch)
    _apply(scratch, rows.answers())
    yield _figure(CHANGED_LOG_BYTES, "bytes", _log_bytes(scratch, since) / rows.orders)
    yield _figure(ENTRY_BYTES, "bytes", _size_of(scratch, "activity_log") / rows.orders)


def _apply(scratch: ScratchDatabase, answers: Mapping[int, Report]) -> None:
    """Apply the answers with our apply step, a batch a transaction."""
    ids = list(answers)
    with closing(Database(scratch.url, role="bench")) as database:
        writer = _step(database)
        for start in range(0, len(ids), BATCH):
            batch: dict[OrderId, Answer] = {id_: answers[id_] for id_ in ids[start : start + BATCH]}
            with database.transaction() as connection:
                writer.apply(connection, batch)


def _still_open(report: Report) -> Report:
    return replace(report, word="NEW", status=Status.NEW, executed_qty=Decimal(0), avg_price=None)


def _step(database: Database) -> OrderWriter:
    with database.autocommit() as connection:
        return OrderWriter(
            read_orders_table(connection), exchange=EXCHANGE, decide=partial(decide, policy=POLICY)
        )


def round_trips(scratch: ScratchDatabase, rows: Rows) -> int:
    """Count how often one batch of 200 waits for the server, BEGIN and COMMIT included."""
    rows.put_back(scratch.database)
    answers = rows.answers()
    with closing(Database(scratch.url, role="bench")) as database:
        writer = _step(database)
        with database.autocommit() as connection:
            batch: dict[OrderId, Answer] = {id_: answers[id_] for id_ in stalest(connection, BATCH)}
        with tempfile.TemporaryFile("w+") as trace:
            with database.connection() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)  # noqa: S101 - it is our driver
                driver.pgconn.trace(trace.fileno())
            with database.transaction() as connection:
                writer.apply(connection, batch)
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
