"""What making a row true writes, and how often the server is waited for."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial

import psycopg
from sqlalchemy import text

from reconciler.bench.figures import Figure
from reconciler.bench.ground import Ground
from reconciler.bench.rows import EXCHANGE, Rows, stalest
from reconciler.bench.store.alone import Alone
from reconciler.bench.store.changes import POLICY
from reconciler.bench.store.held import Held
from reconciler.bench.store.leased import Leased
from reconciler.bench.store.limit import Limit
from reconciler.bench.store.planned import Planned
from reconciler.bench.team import Place
from reconciler.domain.decide import decide
from reconciler.domain.order import OrderId
from reconciler.domain.report import Answer
from reconciler.store.apply import Apply
from reconciler.store.database import Database
from reconciler.store.tables import find_orders

BATCH = 200
_END_OF_ANSWER = "ReadyForQuery"
_LOG_POSITION = text("SELECT pg_current_wal_insert_lsn()")
_LOG_SINCE = text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), cast(:since AS pg_lsn))")
_DEAD = text("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = to_regclass('orders')")


def written(ground: Ground, rows: Rows, places: Sequence[Place]) -> Iterator[Figure]:
    """Yield log bytes and dead rows an order, for each way of working."""
    contenders: Sequence[Alone] = (Planned(rows), Limit(rows), Held(rows), Leased(rows))
    for contender in contenders:
        with contender.at_work(ground, places) as work:
            contender.prepare(ground)
            with ground.database.autocommit() as connection:
                since = connection.execute(_LOG_POSITION).scalar_one()
            work()
            with ground.database.autocommit() as connection:
                log_bytes = float(connection.execute(_LOG_SINCE, {"since": since}).scalar_one())
            contender.require_done(ground)
        with ground.database.autocommit() as connection:
            dead = float(connection.execute(_DEAD).scalar_one())
        yield _figure(f"log bytes an order, {contender.name}", "bytes", log_bytes / rows.orders)
        yield _figure(f"dead rows an order, {contender.name}", "rows", dead / rows.orders)


def round_trips(ground: Ground, rows: Rows) -> int:
    """Count how often one batch of 200 waits for the server, BEGIN and COMMIT included."""
    rows.put_back(ground.database)
    answers = rows.answers()
    with closing(Database(ground.url, role="bench")) as database:
        with database.autocommit() as connection:
            step = Apply(
                find_orders(connection), exchange=EXCHANGE, decide=partial(decide, policy=POLICY)
            )
            batch: dict[OrderId, Answer] = {id_: answers[id_] for id_ in stalest(connection, BATCH)}
        with tempfile.TemporaryFile("w+") as trace:
            with database.connection() as connection:
                driver = connection.connection.driver_connection
                assert isinstance(driver, psycopg.Connection)  # noqa: S101 - it is our driver
                driver.pgconn.trace(trace.fileno())
            with database.transaction() as connection:
                step.apply(connection, batch)
            driver.pgconn.untrace()
            trace.seek(0)
            return sum(_END_OF_ANSWER in line for line in trace)


def _figure(name: str, unit: str, value: float) -> Figure:
    return Figure(name=name, unit=unit, values=(value,))
