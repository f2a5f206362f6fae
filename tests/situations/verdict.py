"""What `health` says of a situation."""

from typing import Any

from reconciler.telemetry.health import Grade
from tests.e2e.commands import DEADLINE_SECONDS
from tests.polling import until_deadline
from tests.situations.produce import Situation
from tests.situations.stage import Stage


def wait_for_cause(stage: Stage, situation: Situation) -> dict[str, Any] | None:
    """Wait until the first reason of `health` is the cause; return it, or None if all is well."""
    for _ in until_deadline(DEADLINE_SECONDS):
        if not _is_known(stage, situation):
            continue
        report = stage.command("health", "--json").report
        first = next(iter(report["reasons"]), None)
        if first is not None and first["slug"] in situation.causes:
            assert first["command"].startswith("reconciler ")
            return dict(first)
        if not situation.causes and report["status"] == "healthy":
            return None
    raise AssertionError(f"health never named {situation.causes}: {stage.ask_health()}")


def _is_known(stage: Stage, situation: Situation) -> bool:
    """Return True once the command is worth its processor time: it has something to name."""
    health = stage.ask_health()
    if not situation.causes:
        return health.status is Grade.HEALTHY and not stale_orders(stage)
    return bool(health.reasons) and health.reasons[0].slug in situation.causes


def stale_orders(stage: Stage) -> int:
    """Return the number of stale orders."""
    with stage.demo.database.transaction() as connection:
        count = connection.exec_driver_sql(
            "SELECT count(*) FROM orders WHERE status IN ('pending', 'partial', 'new')"
            " AND last_synced_at < now() - interval '5 minutes'"
        ).scalar_one()
    return int(count)
