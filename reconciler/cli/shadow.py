"""`reconciler run --dry-run`: the shadow, and its report at the end."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from rich.text import Text

from reconciler.cli.proposed_changes import facts_as_text, row_as_text
from reconciler.cli.runner import make_reload, run_supervisor
from reconciler.cli.ui.output import console, print_json, print_table
from reconciler.domain.status import in_both_words
from reconciler.errors import ReconcilerError
from reconciler.formatting import duration
from reconciler.orders.shadow.follower import follow_all, log_report, publish
from reconciler.orders.shadow.ledger import SettledChange, row_status
from reconciler.orders.shadow.state import Shadow, ShadowReport, WaitingChange
from reconciler.orders.shadow.workload import ShadowWorkload, open_shadow_database
from reconciler.settings import Settings
from reconciler.store.orders_table import read_orders_table
from reconciler.store.user_table import UserTable
from reconciler.supervisor.summary import Summary
from reconciler.telemetry.metrics import NoMetrics
from reconciler.telemetry.shadow import CatchUpFigures, Mode

MAX_SHOWN = 20
"""The number of orders that the tables name; the JSON names up to a thousand of each."""

Row = tuple[object, ...]


def run_shadow(settings: Settings, flags: Mapping[str, Any], *, as_json: bool) -> Summary:
    """Run a shadow until stopped; print its report, also if an error ends it."""
    shadow = Shadow()
    current = settings

    def workload_of(fresh: Settings) -> ShadowWorkload:
        nonlocal current
        current = fresh
        return ShadowWorkload.of(fresh, shadow)

    began = time.monotonic()
    summary: Summary | None = None
    try:
        summary = run_supervisor(
            workload_of(settings),
            settings,
            is_once=False,
            reload=make_reload(workload_of, settings, flags),
        )
    finally:
        if shadow.has_begun:
            remarks = _follow_to_the_end(shadow, current)
            seconds = time.monotonic() - began
            report = shadow.report()
            log_report(report.figures)
            if as_json:
                print_json(report_as_json(report, summary, seconds, remarks))
            else:
                _print(report, summary, seconds, remarks)
    return summary


def _follow_to_the_end(shadow: Shadow, settings: Settings) -> tuple[str, ...]:
    """Read all rows that wait for a change a last time; return why they could not be read."""
    try:
        with closing(open_shadow_database(settings)) as database:
            with database.transaction() as connection:
                orders = read_orders_table(connection, UserTable(settings.orders))
            follow_all(shadow, database, orders)
    except ReconcilerError as error:
        return (f"the rows could not be read at the end, so some may be further: {error}",)
    finally:
        publish(shadow.take_news(), NoMetrics())
    return ()


def report_as_json(
    report: ShadowReport, summary: Summary | None, seconds: float, remarks: tuple[str, ...]
) -> dict[str, Any]:
    """Return the report with the keys that its reference has."""
    figures = report.figures
    return {
        "mode": Mode.SHADOW.value,
        "seconds": round(seconds, 3),
        "looked_at": figures.looked_at,
        "confirmed": figures.confirmed,
        **_figures_as_json(figures.changes),
        "oldest_not_yet_seconds": _rounded(figures.oldest_not_yet_seconds),
        "would_hold": figures.would_hold,
        "not_followed": figures.not_followed,
        "halts": figures.halts,
        "transitions": [
            {"from": before, "to": after, **_figures_as_json(changes)}
            for (before, after), changes in report.transitions.items()
        ],
        "hold_reasons": {reason.value: orders for reason, orders in report.would_hold.items()},
        "not_yet_orders": [_waiting_as_json(waiting) for waiting in report.waiting],
        "elsewhere_orders": [_elsewhere_as_json(settled) for settled in report.elsewhere],
        **_counts_of(summary),
        "remarks": remarks,
    }


def _figures_as_json(changes: CatchUpFigures) -> dict[str, Any]:
    return {
        "would_change": changes.would_change,
        "caught_up": changes.caught_up,
        "median_seconds": _rounded(changes.median_seconds),
        "p95_seconds": _rounded(changes.p95_seconds),
        "longest_seconds": _rounded(changes.longest_seconds),
        "not_yet": changes.not_yet,
        "elsewhere": changes.elsewhere,
        "gone": changes.gone,
    }


def _waiting_as_json(waiting: WaitingChange) -> dict[str, Any]:
    change = waiting.change
    return {
        "order_id": str(change.order_id),
        "symbol": change.symbol,
        "before": row_as_text(change.before, change.word),
        "after": facts_as_text(change.after),
        "seconds": _rounded(waiting.seconds),
    }


def _elsewhere_as_json(settled: SettledChange) -> dict[str, Any]:
    row = settled.row
    facts = None if row is None else row.facts
    return {
        "order_id": str(settled.change.order_id),
        "symbol": settled.change.symbol,
        "after": facts_as_text(settled.change.after),
        "row": None if row is None or facts is None else row_as_text(facts, row.word),
        "seconds": _rounded(settled.seconds),
    }


def _counts_of(summary: Summary | None) -> dict[str, Any]:
    """Return what the supervisor did; nothing if an error ended it."""
    if summary is None:
        return {}
    return {
        "errors": summary.counts.errors,
        "requests": summary.counts.requests,
        "weight": summary.counts.weight,
        "restarts": summary.restarts,
        "cycles": summary.cycles,
        "ending": summary.ending.value,
    }


def _print(
    report: ShadowReport, summary: Summary | None, seconds: float, remarks: tuple[str, ...]
) -> None:
    changes = report.figures.changes
    rows = [*_rows(report), *_counts_of(summary).items(), ("ran for", duration(seconds))]
    print_table(["", ""], rows, title="Shadow (nothing was written)")
    if report.transitions:
        console().print()
        columns = ["from", "to", "orders", "by itself", "median", "longest", "not yet", "otherwise"]
        transitions = [_transition_row(*item) for item in report.transitions.items()]
        print_table(columns, transitions, title="Would have changed, and what the application did")
    if report.waiting:
        console().print()
        print_table(
            ["order", "symbol", "row", "exchange", "since"],
            [_waiting_row(waiting) for waiting in report.waiting[:MAX_SHOWN]],
            title=_title("Not yet by the application, the oldest first", changes.not_yet),
        )
    if report.elsewhere:
        console().print()
        print_table(
            ["order", "symbol", "exchange", "row"],
            [_elsewhere_row(settled) for settled in report.elsewhere[:MAX_SHOWN]],
            title=_title("Ended otherwise by the application", changes.elsewhere),
        )
    for remark in remarks:
        console().print(Text(remark, style="yellow"), soft_wrap=True)


def _rows(report: ShadowReport) -> Iterator[Row]:
    figures, changes = report.figures, report.figures.changes
    yield "looked at", figures.looked_at
    yield "right", figures.confirmed
    yield "would have changed", changes.would_change
    yield "  the application got there by itself", changes.caught_up
    if changes.caught_up:
        yield "    half of them within", _duration(changes.median_seconds)
        yield "    95% of them within", _duration(changes.p95_seconds)
        yield "    the longest after", _duration(changes.longest_seconds)
    yield "  not yet", changes.not_yet
    if changes.not_yet:
        yield "    the oldest for", _duration(figures.oldest_not_yet_seconds)
    yield "  ended otherwise", changes.elsewhere
    yield "  deleted, or another order", changes.gone
    yield "would be on hold", figures.would_hold
    for reason, orders in report.would_hold.items():
        yield f"  {reason.value}", orders
    if figures.not_followed:
        yield "not counted, for lack of memory", figures.not_followed
    if figures.halts:
        yield "would have halted", figures.halts


def _transition_row(name: tuple[str, str], changes: CatchUpFigures) -> Row:
    return (
        *name,
        changes.would_change,
        changes.caught_up,
        _duration(changes.median_seconds),
        _duration(changes.longest_seconds),
        changes.not_yet,
        changes.elsewhere,
    )


def _waiting_row(waiting: WaitingChange) -> Row:
    change = waiting.change
    before, after = in_both_words(change.word, change.before.status), change.after.status.value
    return str(change.order_id), change.symbol, before, after, duration(waiting.seconds)


def _elsewhere_row(settled: SettledChange) -> Row:
    change = settled.change
    return str(change.order_id), change.symbol, change.after.status.value, row_status(settled)


def _title(title: str, count: int) -> str:
    return title if count <= MAX_SHOWN else f"{title}: {MAX_SHOWN} of {count:,}"


def _duration(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
