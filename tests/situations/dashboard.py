"""What the dashboard's panel with the reasons says, of the gauges that a situation sent."""

import time
from itertools import count
from typing import Any

from scripts.dashboard.verdict_rows import NONE_IS_BAD
from scripts.observatory.stack import Observatory
from scripts.observatory.verdict_panels import verdict_series
from tests.e2e.commands import DEADLINE_SECONDS
from tests.e2e.statsd_socket import StatsdServer
from tests.observe.stored_series import last_step, store
from tests.situations.produce import Situation

STEPS, GONE_STEPS = 30, 10
SINCE = "-5min"


def assert_dashboard_names(
    observatory: Observatory,
    statsd: StatsdServer,
    situation: Situation,
    cause: dict[str, Any] | None,
) -> None:
    """Check that the first entry of the legend is the cause, as health has it.

    Graphite draws the gauges that came last; of a supervisor that is dead, none came lately.
    """
    values = [None] * GONE_STEPS if situation.name == "supervisor dead" else []
    wanted = NONE_IS_BAD if cause is None else f"{cause['name']}: "
    deadline = time.monotonic() + DEADLINE_SECONDS
    for attempt in count():
        prefix = f"situation.{situation}.{attempt}"
        statsd.read()
        _store_last(observatory, statsd, prefix, values)
        shown = [
            series.name for series in verdict_series(observatory.graphite, prefix, since=SINCE)
        ]
        if shown[0].startswith(wanted):
            return
        assert time.monotonic() < deadline, (wanted, shown)
        _read_next(statsd)


def _read_next(statsd: StatsdServer) -> None:
    verdicts = statsd.values["g", "health.verdict"]
    read = len(verdicts)
    statsd.read_until(lambda: len(verdicts) > read)


def _store_last(
    observatory: Observatory, statsd: StatsdServer, prefix: str, after: list[None]
) -> None:
    series = {
        f"stats.gauges.{prefix}.{name}": [found[-1]] * STEPS + after
        for (kind, name), found in statsd.values.items()
        if kind == "g" and name.startswith("health.") and found
    }
    store(observatory.folder, series, end=last_step())
