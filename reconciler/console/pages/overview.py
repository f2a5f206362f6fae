"""The overview: are orders right; if not, whose fault is it, and what to type."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.console.banners import banners_of
from reconciler.console.context import console_of
from reconciler.console.hold_words import HOLD_WORDS
from reconciler.console.pages.page import Page
from reconciler.console.poller import Snapshot
from reconciler.console.where_to_look import CONSEQUENCES, Guide, guide_of, troubles
from reconciler.domain.status import BY_VALUE, in_both_words
from reconciler.settings import Settings
from reconciler.store.recent_work import MinuteOfWork, RecentWork
from reconciler.telemetry.health import Grade, HealthRow, Slug, Vitals, is_count_old, table_state

HISTORY_PATH = "/overview/history"


ONE_MINUTE = timedelta(minutes=1)
HOLD_SLUGS = frozenset({Slug.HOLDS, Slug.OLDEST_HOLD})


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A row that is not well; whose fault it is, and what to do."""

    row: HealthRow
    guide: Guide


def show_overview(request: Request) -> Response:
    """Show what is known now."""
    console = console_of(request)
    snapshot = console.poller.wait_for_first_answer()
    report = snapshot.health.value
    reasons, rows = ((), ()) if report is None else (report.reasons, report.rows)
    vitals = None if report is None else report.vitals
    found = troubles(rows, reasons)
    named = [row for row in found if row in reasons or row.grade is not Grade.UNKNOWN]
    return console.render(
        request,
        "overview.html",
        snapshot=snapshot,
        status=snapshot.status.value,
        work=snapshot.work.value,
        state=table_state(vitals, rows),
        troubles=[Trouble(row=row, guide=guide_of(row)) for row in named],
        not_known=[row for row in found if row not in named],
        hold_slugs=HOLD_SLUGS,
        hold_words=HOLD_WORDS,
        now=datetime.now(UTC),
        counted_at=_counted_at(snapshot, vitals),
        is_count_old=vitals is not None and is_count_old(vitals, rows),
        pause_ends_at=_pause_ends_at(snapshot, vitals),
        consequences=CONSEQUENCES,
        banners=banners_of(snapshot, {row.slug for row in named}),
        transitions=list(_transitions(snapshot, console.settings)),
        stale_after_seconds=console.settings.stale_after.total_seconds(),
        history_path=HISTORY_PATH,
    )


def _counted_at(snapshot: Snapshot, vitals: Vitals | None) -> datetime | None:
    """Return when the orders and the holds were counted; None if they were not."""
    if vitals is None or vitals.stale_orders is None:
        return None
    seconds = vitals.counted_seconds_ago + snapshot.health.age_seconds
    return datetime.now(UTC) - timedelta(seconds=seconds)


def _pause_ends_at(snapshot: Snapshot, vitals: Vitals | None) -> datetime | None:
    """Return when the longest rate-limit pause ends; None if there is none."""
    longest = max((host.paused_seconds for host in vitals.hosts), default=0.0) if vitals else 0.0
    left = longest - snapshot.health.age_seconds
    return datetime.now(UTC) + timedelta(seconds=left) if left > 0 else None


def show_history(request: Request) -> Response:
    """Return what the charts show, as JSON: what the poller saw after the moment `after`."""
    console = console_of(request)
    console.poller.wait_for_first_answer()
    after = _number(request.query_params.get("after"))
    points = list(console.poller.history.after(after))
    work = console.poller.snapshot.work
    minutes = [] if work.value is None else _all_minutes(work.value, work.age_seconds)
    return JSONResponse(
        {
            "seen": {
                "at": [point.at for point in points],
                "backlog": [point.backlog for point in points],
                "oldest_seconds": [point.oldest_seconds for point in points],
            },
            "minutes": {
                "at": [minute.minute.timestamp() for minute in minutes],
                "scanned": [minute.scanned for minute in minutes],
                "changed": [minute.discrepancies for minute in minutes],
                "failed": [minute.errors for minute in minutes],
            },
            "stale_after_seconds": console.settings.stale_after.total_seconds(),
        }
    )


def _all_minutes(work: RecentWork, age_seconds: float) -> list[MinuteOfWork]:
    """Return the minutes from the first with work until it was read; those without work too.

    The minute that was not over then is left out: its line would fall as if the work had stopped.
    """
    by_minute = {minute.minute: minute for minute in work.minutes}
    until = datetime.now(UTC) - timedelta(seconds=age_seconds)
    minutes, at = [], min(by_minute, default=until)
    while at + ONE_MINUTE <= until:
        nothing = MinuteOfWork(minute=at, scanned=0, discrepancies=0, errors=0, slowest_ms=0)
        minutes.append(by_minute.get(at, nothing))
        at += ONE_MINUTE
    return minutes


def _transitions(snapshot: Snapshot, settings: Settings) -> Iterator[tuple[str, str, int]]:
    """Return the changes of status of the last hour, in the user's words."""
    work = snapshot.work.value
    for name, count in ({} if work is None else work.transitions).items():
        before, _, after = name.partition(".")
        shown = _in_users_words(after, settings)
        more = f"{shown}, more executed" if before == after else shown
        yield _in_users_words(before, settings), more, count


def _in_users_words(name: str, settings: Settings) -> str:
    status = BY_VALUE.get(name)
    word = None if status is None else settings.orders.statuses.write(status)
    return in_both_words(word, name)


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0


PAGE = Page(
    title="Overview",
    path="/",
    routes=(
        Route("/", show_overview, methods=["GET"]),
        Route(HISTORY_PATH, show_history, methods=["GET"]),
    ),
)
