"""What `health` says of a situation."""

import time
from typing import Any

from tests.e2e.commands import DEADLINE_SECONDS
from tests.situations.produce import Situation
from tests.situations.stage import Stage


def wait_for_cause(stage: Stage, situation: Situation) -> dict[str, Any] | None:
    """Ask `health` until it gives the cause as a reason; None once all is found to be well."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        report = stage.command("health", "--json").report
        found = [reason for reason in report["reasons"] if reason["slug"] in situation.causes]
        if found:
            assert found[0]["command"].startswith("reconciler ")
            return dict(found[0])
        if not situation.causes and report["status"] == "healthy" and not stale_orders(stage):
            return None
    raise AssertionError(f"health never named {situation.causes}: {report}")


def stale_orders(stage: Stage) -> int:
    """Return the number of stale orders."""
    with stage.demo.database.transaction() as connection:
        count = connection.exec_driver_sql(
            "SELECT count(*) FROM orders WHERE status IN ('pending', 'partial', 'new')"
            " AND last_synced_at < now() - interval '5 minutes'"
        ).scalar_one()
    return int(count)
