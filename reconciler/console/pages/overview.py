"""The overview: are orders right; if not, whose fault is it, and what to type."""

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reconciler.console.banners import banners_of
from reconciler.console.context import console_of
from reconciler.console.pages.page import Page
from reconciler.console.poller import Snapshot
from reconciler.console.where_to_look import PLACES, first_place, troubles
from reconciler.domain.status import BY_VALUE, in_both_words
from reconciler.settings import Settings
from reconciler.telemetry.health import HealthRow

HISTORY_PATH = "/overview/history"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A row that is not well, and where to look."""

    row: HealthRow
    place: str


def show_overview(request: Request) -> Response:
    """Show what is known now."""
    console = console_of(request)
    snapshot = console.poller.wait_for_first_answer()
    report = snapshot.health.value
    found = [] if report is None else troubles(report.rows, report.reasons)
    return console.render(
        request,
        "overview.html",
        snapshot=snapshot,
        status=snapshot.status.value,
        work=snapshot.work.value,
        troubles=[Trouble(row=row, place=PLACES[row.slug].value) for row in found],
        first_place=first_place(found),
        banners=banners_of(snapshot),
        transitions=list(_transitions(snapshot, console.settings)),
        stale_after_seconds=console.settings.stale_after.total_seconds(),
        history_path=HISTORY_PATH,
    )


def show_history(request: Request) -> Response:
    """Return what the charts show, as JSON: what the poller saw after the moment `after`."""
    console = console_of(request)
    console.poller.wait_for_first_answer()
    after = _number(request.query_params.get("after"))
    points = list(console.poller.history.after(after))
    work = console.poller.snapshot.work.value
    minutes = [] if work is None else work.minutes
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
