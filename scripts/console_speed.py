"""Measure the pages of the console over many orders on hold and changes, in a database of its own.

Run by `scripts/console-speed`: prints, for each page, the median and the longest of its answers.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from reconciler.embedded import embedded_postgres
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE
from scripts.many_rows import fill
from tests.console.processes import RunningConsole

CHANGES = 1_000_000
HOLDS = 100_000
ROUNDS = 20
LIMIT_MS = 300

PAGES = (
    "",
    "holds",
    "holds?reason=error",
    "holds?symbol=ETHUSDT&age=1h",
    "holds?search=777",
    "holds?search=x777",
    "order?id=777",
    "changes",
    "changes?symbol=ETHUSDT&to=filled",
    "changes?rule=price_corrected",
    "changes?symbol=NONE",
)


def measure(client: httpx.Client, path: str) -> list[float]:
    """Return how long each answer took, in milliseconds, after one that does not count."""
    client.get(path).raise_for_status()
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        client.get(path).raise_for_status()
        took.append(1000 * (time.perf_counter() - started))
    return took


def main() -> int:
    """Fill a database, measure each page, and say if one takes too long."""
    with embedded_postgres() as url, tempfile.TemporaryDirectory() as folder:
        database = Database(url, role="bench")
        with database.transaction() as connection:
            sample_orders.create_orders_table(connection)
        with database.connection() as connection:
            migrations.upgrade(connection, DEFAULT_TABLE)
        database.close()
        fill(url, changes=CHANGES, holds=HOLDS)
        environment = {
            "DATABASE_URL": url,
            "RECONCILIATION_CONTROL_SOCKET": f"{folder}/control.sock",
        }
        worst = 0.0
        with (
            RunningConsole(environment=environment, folder=Path(folder)) as console,
            console.signed_in() as client,
        ):
            print(f"{CHANGES:,} changes, {HOLDS:,} holds: median and longest of {ROUNDS}, ms")
            for path in PAGES:
                took = measure(client, path)
                worst = max(worst, statistics.median(took))
                print(f"{statistics.median(took):7.0f} {max(took):7.0f}  /{path}")
    return 0 if worst <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
