"""The pages over many rows: read by indexes, whatever the number. The figures: console-speed."""

from datetime import UTC, datetime

import pytest

from reconciler.scope import UNSCOPED
from reconciler.store.bulk_holds import HoldFilter, HoldPlace, read_holds_by_age
from reconciler.store.database import Database
from reconciler.store.holds import read_hold, read_holds_of_order
from reconciler.store.orders_table import read_orders_table
from scripts.many_rows import fill

from ..store.plans import explained  # noqa: TID252 - tests are no package


@pytest.fixture
def filled(database: Database, database_url: str) -> Database:
    fill(database_url, changes=3000, holds=3000)
    return database


def test_holds_are_found_by_their_indexes(filled: Database) -> None:
    with filled.autocommit() as connection:
        orders = read_orders_table(connection)
    after = HoldPlace(first_held_at=datetime.now(UTC), id=0)

    used = [
        {node["Index Name"] for node in explained(filled, action).nodes if "Index Name" in node}
        for action in (
            lambda it: read_holds_by_age(it, orders, HoldFilter(), after=None, limit=50),
            lambda it: read_holds_by_age(it, orders, HoldFilter(), after=after, limit=50),
            lambda it: read_hold(it, UNSCOPED, "777"),
            lambda it: read_holds_of_order(it, UNSCOPED, "777", limit=100),
        )
    ]

    by_age, by_order = {"reconciliation_holds_age"}, {"reconciliation_holds_order"}
    assert used == [by_age, by_age, by_order, by_order]
