"""A table of one's own that changes while the service runs: said clearly, and nothing is lost."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from reconciler.demo import Demo

from .conftest import SOON_HALF_OPEN, Start, settings_of
from .rows import connected

CONFIG = """\
[orders]
table = '"Trade Orders"'

[orders.columns]
id = "dealId"
symbol = "market"
external_order_id = "ext"
status = "state"
executed_qty = "filled"
avg_price = "average"
last_synced_at = "side-table"

[orders.statuses]
LIVE = "open"
WAITING = "pending"
DONE = "filled"
GONE = "canceled"
OVER = "expired"
NO = "rejected"
"""

WORDS = {
    "new": "LIVE",
    "partial": "LIVE",
    "pending": "WAITING",
    "filled": "DONE",
    "canceled": "GONE",
    "expired": "OVER",
    "rejected": "NO",
}

TABLE = """
CREATE TABLE "Trade Orders" AS
    SELECT 'deal, ' || id AS "dealId", symbol AS market, external_order_id AS ext,
        CASE status WHEN 'pending' THEN 'WAITING' ELSE 'LIVE' END AS state,
        executed_qty AS filled, avg_price AS average, now() AS made
    FROM orders WHERE status IN ('pending', 'new', 'partial');
ALTER TABLE "Trade Orders" ADD PRIMARY KEY ("dealId")"""

ENDLESS: dict[str, object] = {
    **SOON_HALF_OPEN,
    "RECONCILIATION_STALE_MINUTES": 0.02,
    "RECONCILIATION_INTERVAL_MS": 200,
}


@pytest.fixture
def user_table(demo: Demo, tmp_path: Path, start: Start) -> Start:
    """A table with text ids and words of its own, and a command that follows it."""
    demo.fill(orders=300, symbols=5, seed=5)
    with connected(demo.database_url) as connection:
        connection.execute(TABLE.encode())
    (tmp_path / "reconciler.toml").write_text(CONFIG)
    upgraded = start("db", "upgrade", **settings_of(demo)).end()
    assert upgraded.exit_code == 0, upgraded.err
    return start


def test_a_column_that_is_renamed_while_it_runs_is_named_and_nothing_is_lost(
    demo: Demo, user_table: Start
) -> None:
    run = user_table("run", **settings_of(demo), **ENDLESS)
    run.wait_for("supervisor.started")
    with connected(demo.database_url) as connection:
        connection.execute('ALTER TABLE "Trade Orders" RENAME filled TO done')
        ended = run.end()
        checked = user_table("check", **settings_of(demo)).end()
        connection.execute('ALTER TABLE "Trade Orders" RENAME done TO filled')

    once = user_table("run", "--once", "--json", **settings_of(demo)).end()

    assert ended.exit_code == 78
    # The supervisor or a worker finds it, while it runs or at its start.
    assert re.search("filled (does not exist|is missing)", ended.err)
    assert "hint: " in ended.err
    assert 'column "Trade Orders".filled is missing' in checked.out
    assert once.exit_code == 0, once.err
    assert once.report["errors"] == once.report["held"] == 0
    assert wrong_rows(demo) == []


def wrong_rows(demo: Demo) -> list[object]:
    """Compare each row of the table with the exchange's truth."""
    with connected(demo.database_url) as connection:
        rows = connection.execute('SELECT ext, state, filled FROM "Trade Orders"').fetchall()
    truth = {str(order.order_id): order.truth for order in demo.exchange.orders()}
    return [
        (ext, state, filled)
        for ext, state, filled in rows
        if (WORDS[str(truth[str(ext)].status)], Decimal(truth[str(ext)].executed_qty))
        != (state, filled)
    ]
