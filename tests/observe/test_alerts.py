"""The expressions of the alerts for Graphite, each tried with a real graphite-web."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from scripts.dashboard.alerts import ALERTS, Alert
from scripts.dashboard.graphite_alerts import look_back_seconds
from scripts.dashboard.graphite_expression import GraphiteExpressions, Names
from scripts.dashboard.signal import Age, Growth, Total
from scripts.observatory.stack import Observatory

from .stored_series import STEP_SECONDS, last_step, store

GOOD_STEPS = 240
"""For 40 minutes everything is well, then it gets bad."""

LATENESS_SECONDS = 15
"""How long after its newest value Graphite is asked."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """A program with metrics of its own: its prefix is the situation's name."""

    alert: Alert
    name: str
    fires: bool
    values: Sequence[float | None]

    @property
    def prefix(self) -> str:
        return f"{self.alert.name}.{self.name}"

    @property
    def path(self) -> str:
        (metric,) = self.alert.signal.metrics
        ending = ".count" if isinstance(self.alert.signal, Total) else ""
        path = Names(prefix=self.prefix, stale_seconds="300").path(metric, ending)
        return path.replace("*", getattr(self.alert.signal, "row", "*"))


def expressions(prefix: str) -> GraphiteExpressions:
    return GraphiteExpressions(Names(prefix=prefix, stale_seconds="300"))


def situations(now: float) -> Iterator[Situation]:
    """Return, for each alert, when it fires and when it only nearly does."""
    for alert in ALERTS:
        bad = alert.up_to if alert.up_to is not None else alert.above + 1
        after = alert.for_seconds // STEP_SECONDS + 3
        yield _situation(alert, "bad", bad, after, now, fires=True)
        yield _situation(alert, "nearly", alert.above, after, now, fires=False)
        if alert.for_seconds > 2 * STEP_SECONDS and not isinstance(alert.signal, Growth):
            yield _situation(alert, "not_yet", bad, after - 6, now, fires=False)
        if alert.up_to is not None:
            yield _situation(alert, "worse", alert.up_to + 1, after, now, fires=False)


def _situation(
    alert: Alert, name: str, value: float, after: int, now: float, *, fires: bool
) -> Situation:
    return Situation(alert=alert, name=name, fires=fires, values=_values(alert, value, after, now))


def _values(alert: Alert, value: float, after: int, now: float) -> Sequence[float | None]:
    """Return what is stored so that the signal has a value in the last `after` steps."""
    match alert.signal:
        case Age():
            # A cycle ended at each step, and then none: the last one is just too old.
            since_too_old = (after - 1) * STEP_SECONDS if value > alert.above else 0
            last_run = now - value - since_too_old
            return [last_run] * (GOOD_STEPS + after)
        case Total():
            return [0] * GOOD_STEPS + [value] + [0] * (after - 1)
        case Growth(minutes=minutes):
            grown = value if value > alert.above else 0.9 * value
            steps = (minutes + 5) * 60 // STEP_SECONDS + after
            a_step = grown / (minutes * 60 // STEP_SECONDS)
            return [7.0] * GOOD_STEPS + [7 + a_step * step for step in range(steps)]
        case _:
            return [0] * GOOD_STEPS + [value] * after


def fires(observatory: Observatory, alert: Alert, prefix: str, now: int) -> bool:
    """Return if an alert fires at a time, as dashboards/alerts/graphite.yml says it."""
    found = observatory.graphite.render(
        expressions(prefix).of(alert.signal),
        since=str(now - look_back_seconds(alert)),
        until=str(now),
    )
    recent = [
        value
        for series in found
        for moment, value in series.values
        if value is not None and moment >= now - alert.for_seconds
    ]
    most = float("inf") if alert.up_to is None else alert.up_to
    return bool(recent) and all(alert.above < value <= most for value in recent)


def test_each_alert_fires_when_it_should_and_only_then(observatory: Observatory) -> None:
    end = last_step()
    now = end + LATENESS_SECONDS
    tried = list(situations(now))
    store(observatory.folder, {one.path: one.values for one in tried}, end=end)

    wrong = [
        one.prefix
        for one in tried
        if fires(observatory, one.alert, one.prefix, now) is not one.fires
    ]

    assert wrong == []


@pytest.mark.parametrize("minutes", [2, 15, 60])
def test_the_age_of_the_last_run_is_true_to_two_steps(
    observatory: Observatory, minutes: int
) -> None:
    signal = Age("cycle.last_run_timestamp", 1)
    end = last_step()
    now = end + LATENESS_SECONDS
    prefix = f"age.{minutes}"
    path = Names(prefix=prefix, stale_seconds="300").path(signal.metric)
    store(observatory.folder, {path: [now - 26] * 400}, end=end)

    (series,) = observatory.graphite.render(
        expressions(prefix).of(signal), since=str(now - 60 * minutes), until=str(now)
    )

    assert 26 - 2 * STEP_SECONDS <= series.known[-1] <= 26


def test_a_supervisor_that_is_gone_is_noticed_and_a_late_flush_is_not(
    observatory: Observatory,
) -> None:
    gone = next(alert for alert in ALERTS if alert.name == "ReconcilerSupervisorGone")
    end = last_step()
    healthy: list[float | None] = [0.0] * 200
    store(
        observatory.folder,
        {
            "stats.gauges.stopped.health.verdict": [*healthy, *[None] * 18],
            "stats.gauges.late.health.verdict": [*healthy, None, None],
        },
        end=end,
    )

    seen = {
        prefix: fires(observatory, gone, prefix, end + LATENESS_SECONDS)
        for prefix in ("stopped", "late", "never_sent")
    }

    assert seen == {"stopped": True, "late": False, "never_sent": True}


def test_no_other_alert_fires_where_no_metric_arrives(observatory: Observatory) -> None:
    now = last_step() + LATENESS_SECONDS

    firing = {alert.name for alert in ALERTS if fires(observatory, alert, "nobody", now)}

    assert firing == {"ReconcilerSupervisorGone"}
