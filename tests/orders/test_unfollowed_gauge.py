"""The gauge of rows that are not followed says so when a new status appears."""

import structlog

from reconciler.orders.periodic_query import INTERVAL_SECONDS
from reconciler.orders.unfollowed_gauge import UnfollowedGauge
from reconciler.store.user_table import DEFAULT_TABLE

from ..store.builders import connect_application, insert_order  # noqa: TID252


class Hours:
    """A clock that stands on the next measurement each time."""

    now = 0.0

    def __call__(self) -> float:
        self.now += INTERVAL_SECONDS
        return self.now


def test_a_status_that_appears_while_it_runs_is_logged_once(database_url: str) -> None:
    gauge = UnfollowedGauge(database_url, DEFAULT_TABLE, monotonic=Hours())
    with connect_application(database_url) as application:
        application.execute("ALTER TABLE orders DROP CONSTRAINT orders_status_check")
        with structlog.testing.capture_logs() as logged:
            insert_order(application, 1, status="working")
            first = gauge.read()
            insert_order(application, 2, status="half_done")
            insert_order(application, 3, status="open")
            second = gauge.read()
            third = gauge.read()

    assert (first, second, third) == (1, 2, 2)
    assert [(line["event"], line["new"]) for line in logged] == [
        ("orders.not_followed", ["open"]),
    ]
