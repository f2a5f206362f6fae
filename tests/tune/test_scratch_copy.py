"""The copy that trials write to is like the user's table, before each trial."""

from decimal import Decimal

import psycopg
import pytest
from psycopg import sql

from reconciler.domain.status import Status
from reconciler.store.stale_order import StaleOrder
from reconciler.tune.sample import Sample
from reconciler.tune.scratch_copy import open_scratch_copy
from reconciler.tune.trial_exchange import TrialDialect

SET_NOW = sql.SQL("UPDATE {} SET last_synced_at = now()")
COUNT_STALE = sql.SQL(
    "SELECT count(*) FROM {} WHERE last_synced_at < now() - interval '50 minutes'"
)


def an_order(id_: int) -> StaleOrder:
    return StaleOrder(
        id=id_,
        symbol="BTCUSDT",
        external_order_id=str(id_),
        status=Status.NEW,
        executed_qty=Decimal(0),
        avg_price=None,
        created_at=None,
        is_on_hold=False,
    )


@pytest.mark.parametrize("has_side_table", [True, False], ids=["side table", "column"])
def test_the_sync_times_are_where_the_user_has_them(
    empty_database_url: str, *, has_side_table: bool
) -> None:
    sample = Sample(
        orders=(an_order(1), an_order(2)),
        dialect=TrialDialect.of("paper"),
        open_orders=2,
        has_side_table=has_side_table,
    )
    times = "reconciliation_sync" if has_side_table else "orders"

    with (
        open_scratch_copy(empty_database_url, sample) as copy,
        psycopg.connect(copy.url, autocommit=True) as connection,
    ):
        connection.execute(SET_NOW.format(sql.Identifier(times)))
        copy.restore()

        stale = connection.execute(COUNT_STALE.format(sql.Identifier(times))).fetchone()
        found = connection.execute("SELECT to_regclass('reconciliation_sync') IS NULL").fetchone()

    assert stale == (2,)
    assert found == (not has_side_table,)
