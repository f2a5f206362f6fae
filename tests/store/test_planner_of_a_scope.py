"""A planner with a scope and a filter: it records them, and leaves the rest of the table alone."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from reconciler.config_file.orders import OrdersConfig
from reconciler.orders.workload import OrderWorkload
from reconciler.scope import Scope
from reconciler.settings import Settings
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.workload import Planner

from .builders import Application, in_the_side_table, insert_order

HERE = OrdersConfig(scope="here", where="symbol = 'BTCUSDT'")
Open = Callable[..., Planner]


@pytest.fixture
def open_planner(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("DATABASE_URL", database_url)

    def open_planner(*, is_dry_run: bool = False) -> Planner:
        settings = Settings.load()._with_orders(HERE)
        return OrderWorkload(settings=settings, is_dry_run=is_dry_run).open_planner()

    return open_planner


def recorded(application: Application) -> list[dict[str, object]]:
    return application.execute(
        "SELECT scope, value FROM reconciliation_state WHERE key = 'filter'"
    ).fetchall()


def test_a_run_records_its_filter_and_logs_who_else_follows_its_orders(
    application: Application, database: Database, open_planner: Open
) -> None:
    insert_order(application, 1)
    with database.transaction() as connection:
        shared_state.record_filter(connection, Scope("there"), table="orders", where="id < 9")

    with capture_logs() as lines:
        open_planner().close()

    assert {"scope": "here", "value": {"table": "orders", "where": HERE.where}} in recorded(
        application
    )
    (line,) = (line for line in lines if line["event"] == "orders.shared")
    assert (line["other_scope"], line["orders"]) == ("there", 1)


def test_a_dry_run_records_no_filter(application: Application, open_planner: Open) -> None:
    open_planner(is_dry_run=True).close()

    assert recorded(application) == []


@in_the_side_table
def test_the_times_of_another_programs_open_orders_are_not_cleaned_up(
    application: Application, open_planner: Open
) -> None:
    for id_, symbol, status in (
        (1, "BTCUSDT", "new"),
        (2, "BTCUSDT", "filled"),
        (3, "ETHUSDT", "new"),
        (4, "ETHUSDT", "filled"),
    ):
        insert_order(
            application, id_, symbol=symbol, status=status, last_synced_at="2026-01-01T00:00:00Z"
        )
    planner = open_planner()

    page = planner.plan(10, None)
    planner.close()

    assert [order.id for chunk in page.chunks for order in chunk.items] == [1]
    left = application.execute("SELECT order_id FROM reconciliation_sync ORDER BY 1").fetchall()
    assert [row["order_id"] for row in left] == [1, 3]
