"""Measure the processor time that the apply step takes for one order. See scripts/apply-cost.

A worker writes batch after batch: first that every open order is as its row says, then that every
one was filled. The exchange's answers are in memory. Processor time measures the cost even on a
busy machine, where the time of day does not. It is compared with the least that PostgreSQL could
do: one statement that invents the answers, writes and logs the same rows, and returns nothing.
Linux only.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from statistics import median

from sqlalchemy import text

from reconciler.embedded import embedded_postgres
from reconciler.store.database import Database
from scripts.benchmark.processor_time import exact_seconds
from scripts.benchmark.rows import Rows
from scripts.benchmark.store.apply_step import ApplyStep, batches_of, read_stale
from scripts.benchmark.store.limit import statement_for

SETTINGS = {"autovacuum": "off", "max_wal_size": "4GB", "shared_buffers": "512MB"}
STALE_AFTER = timedelta(minutes=5)

_Microseconds = tuple[float, float]
"""The cost of one order: in Python, and in PostgreSQL."""


def main() -> None:
    """Measure; print the medians."""
    parser = argparse.ArgumentParser(prog="scripts/apply-cost", description=__doc__)
    parser.add_argument("--orders", type=int, default=12_000, metavar="N")
    parser.add_argument("--batch-size", type=int, default=200, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    works = {
        "confirms": Rows(orders=arguments.orders, changed_share=0),
        "changes": Rows(orders=arguments.orders, changed_share=1),
    }
    costs: dict[str, list[_Microseconds]] = {}
    with (
        embedded_postgres(settings=SETTINGS) as url,
        closing(Database(url, role="apply cost")) as database,
    ):
        next(iter(works.values())).make(database)
        for _ in range(arguments.rounds):
            for name, rows in works.items():
                for method, prepare in (("apply step", _prepare_apply), ("least", _prepare_least)):
                    ready = partial(prepare, batch_size=arguments.batch_size)
                    cost = _measure(ready, database, rows)
                    costs.setdefault(f"{name}, {method}", []).append(cost)
    for name, rounds in costs.items():
        python, server = (median(part) for part in zip(*rounds, strict=True))
        print(f"{name:20} Python {python:5.1f}  PostgreSQL {server:5.1f}  us an order")


def _measure(
    prepare: Callable[[Database, Rows], Callable[[], None]], database: Database, rows: Rows
) -> _Microseconds:
    """Write the rows again, reconcile them, and return what one order costs."""
    rows.put_back(database)
    work = prepare(database, rows)
    with database.autocommit() as connection:
        server = int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
    python_before, server_before = time.process_time(), exact_seconds(server)
    work()
    python, server_seconds = (
        time.process_time() - python_before,
        exact_seconds(server) - server_before,
    )
    rows.require_done(database, "the measured way", rows.orders)
    return python / rows.orders * 1e6, server_seconds / rows.orders * 1e6


def _prepare_apply(database: Database, rows: Rows, *, batch_size: int) -> Callable[[], None]:
    """Read the stale orders in batches, as a supervisor assigns them to its only worker."""
    step = ApplyStep(database, rows_per_transaction=batch_size)
    answers = rows.answers()
    batches = list(batches_of(read_stale(database, STALE_AFTER), batch_size))

    def apply() -> None:
        for batch in batches:
            step.apply(batch, answers)

    return apply


def _prepare_least(database: Database, rows: Rows, *, batch_size: int) -> Callable[[], None]:
    """Return what runs the one statement; it has no batches."""
    del batch_size
    statement = statement_for(rows, 1, rows.total + 1)

    def write() -> None:
        with database.transaction() as connection:
            connection.exec_driver_sql(statement.replace("%", "%%"))

    return write


if __name__ == "__main__":
    main()
