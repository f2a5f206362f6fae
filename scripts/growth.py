"""Measure a page of stale orders while the table fills with ended ones. See scripts/growth.

Prints a row for each size: the time of a page, the blocks it touched, its plan. Ends with 1 if the
plans differ. Takes about a minute and a gigabyte in the temporary folder; leaves nothing there.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, event, text

from reconciler.embedded import embedded_postgres
from reconciler.store import migrations, sample
from reconciler.store.database import Database
from reconciler.store.stale import Cursor, Page, StaleOrders
from reconciler.store.tables import find_orders

STALE = 50_000
PAGE = 20_000
STEP = 250_000
TIMES = 7
STALE_AFTER = timedelta(minutes=5)

# The plan is asked about, not the disk: nothing of this outlives the script.
SETTINGS = {"fsync": "off", "wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off"}

INSERT = text(
    "INSERT INTO orders (symbol, external_order_id, status, last_synced_at)"
    " SELECT 'S' || n % 50, n::text, :status, now() - interval '1 hour' - n * interval '1 ms'"
    " FROM generate_series(cast(:first AS int), cast(:last AS int)) AS n"
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one page cost. The plan has a line for each node, without its costs."""

    ended: int
    page: str
    milliseconds: float
    blocks: int
    plan: tuple[str, ...]


def main() -> int:
    """Run it; return the exit code."""
    sizes = _parse_sizes()
    with (
        embedded_postgres(settings=SETTINGS) as url,
        closing(Database(url, role="growth")) as database,
    ):
        _prepare(database)
        measured = list(_grow(database, sizes))
    _print(measured)
    return 0 if _is_one_plan_each(measured) else 1


def _parse_sizes() -> list[int]:
    parser = argparse.ArgumentParser(prog="scripts/growth", description=__doc__)
    parser.add_argument(
        "--ended",
        type=int,
        nargs="+",
        default=[100_000, 3_000_000],
        metavar="N",
        help="how many ended orders to measure beside (default: 100000 3000000)",
    )
    sizes: list[int] = sorted(parser.parse_args().ended)
    return sizes


def _prepare(database: Database) -> None:
    with database.transaction() as connection:
        sample.make_orders(connection)
        connection.execute(text("ALTER TABLE orders SET UNLOGGED"))
    with database.connection() as connection:
        migrations.upgrade(connection)
    _insert(database, "new", first=1, last=STALE)


def _grow(database: Database, sizes: list[int]) -> Iterator[Measured]:
    ended = 0
    for size in sizes:
        while ended < size:
            step = min(STEP, size - ended)
            _insert(database, "filled", first=ended + 1, last=ended + step)
            ended += step
            print(f"{ended:,} of {sizes[-1]:,} ended orders", file=sys.stderr)
        with database.autocommit() as connection:
            connection.execute(text("VACUUM (ANALYZE) orders"))
        yield from _measure(database, ended)


def _insert(database: Database, status: str, *, first: int, last: int) -> None:
    with database.transaction() as connection:
        connection.execute(INSERT, {"status": status, "first": first, "last": last})


def _measure(database: Database, ended: int) -> Iterator[Measured]:
    with database.autocommit() as connection:
        stale = StaleOrders(find_orders(connection), stale_after=STALE_AFTER)
    first = _read(database, stale, None)
    for page, after in (("first", None), ("second", first.next)):
        milliseconds = min(_time(database, stale, after) for _ in range(TIMES))
        root = _explain(database, stale, after)
        yield Measured(
            ended=ended,
            page=page,
            milliseconds=milliseconds,
            blocks=root["Shared Hit Blocks"] + root["Shared Read Blocks"],
            plan=tuple(_lines(root)),
        )


def _read(database: Database, stale: StaleOrders, after: Cursor | None) -> Page:
    with database.transaction() as connection:
        return stale.read_page(connection, PAGE, after)


def _time(database: Database, stale: StaleOrders, after: Cursor | None) -> float:
    started = time.perf_counter()
    _read(database, stale, after)
    return (time.perf_counter() - started) * 1000


def _explain(database: Database, stale: StaleOrders, after: Cursor | None) -> dict[str, Any]:
    """Return the plan of the very statement that reads a page."""
    plans: list[dict[str, Any]] = []

    def explain(
        connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        if statement.startswith("SELECT"):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            ((answers,),) = cursor.fetchall()
            plans.append(answers[0]["Plan"])

    with database.transaction() as connection:
        event.listen(connection, "before_cursor_execute", explain)
        stale.read_page(connection, PAGE, after)
    return plans[-1]


def _lines(node: dict[str, Any], depth: int = 0) -> Iterator[str]:
    read = node.get("Index Name") or node.get("Relation Name")
    yield "  " * depth + node["Node Type"] + (f" on {read}" if read else "")
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)


def _print(measured: list[Measured]) -> None:
    print(f"{STALE:,} stale orders, pages of {PAGE:,}, best of {TIMES}")
    print(f"{'ended orders':>14}  {'page':<6}  {'ms':>7}  {'blocks':>7}")
    for one in measured:
        print(f"{one.ended:>14,}  {one.page:<6}  {one.milliseconds:>7.1f}  {one.blocks:>7,}")
    print("the plan is the same:" if _is_one_plan_each(measured) else "THE PLANS DIFFER:")
    for plan in dict.fromkeys(one.plan for one in measured):
        print(*plan, sep="\n")


def _is_one_plan_each(measured: list[Measured]) -> bool:
    """Whether the first pages have one plan at every size, and the second ones too."""
    return len({(one.page, one.plan) for one in measured}) == len({one.page for one in measured})


if __name__ == "__main__":
    sys.exit(main())
