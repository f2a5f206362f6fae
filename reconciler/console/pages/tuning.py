"""Tuning: the curve of a saved `tune --json`, the plan of a `scale`, and what to type."""

from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console import tune_report
from reconciler.console.context import Console, console_of, field_of
from reconciler.console.error_pages import Refusal
from reconciler.console.pages.page import Page
from reconciler.console.query import number_of
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.errors import NoSupervisor
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.sharding import Scaling

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a change of the number of shards moves; `unanswered` if no supervisor said so."""

    scaling: Scaling
    unanswered: str | None


def show_tuning(request: Request) -> Response:
    """Show the curve, and the plan for the number of shards in the address."""
    console = console_of(request)
    report = console.options.tune_report
    given = request.query_params.get("shards")
    shards = None if given is None else _number_of_shards(given)
    return console.render(
        request,
        "tuning.html",
        report=report,
        picture=None if report is None else tune_report.Picture.of(report),
        frame=tune_report,
        plan=None if shards is None else _plan(console, shards),
        status=console.poller.snapshot.status,
        most_shards=MAX_SHARDS,
        scaled=request.query_params.get("scaled") == "yes",
    )


def scale(request: Request) -> Response:
    """Change the number of shards of the running supervisor."""
    console = console_of(request)
    shards = _number_of_shards(field_of(request, "shards"))
    try:
        scaling = ask_supervisor(console.settings, "scale", Scaling, shards=shards)
    except NoSupervisor as error:
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"Nothing was changed: {error}.",
            "The console scales the supervisor of its own machine.",
        ) from None
    _log.warning("console.scaled", by=console.operator, before=scaling.before, after=scaling.after)
    return console.redirect(f"/tuning?shards={shards}&scaled=yes")


def _plan(console: Console, shards: int) -> Plan:
    try:
        scaling = ask_supervisor(console.settings, "scale", Scaling, shards=shards, plan=True)
    except NoSupervisor as error:
        return Plan(scaling=Scaling.between(console.settings.shards, shards), unanswered=str(error))
    return Plan(scaling=scaling, unanswered=None)


def _number_of_shards(text: str) -> int:
    """Read a number of shards.

    Raises:
        Refusal: it is none.
    """
    shards = number_of(text)
    if shards is None or not 1 <= shards <= MAX_SHARDS:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            "That is no number of shards.",
            f"Give a whole number from 1 to {MAX_SHARDS}: each is a process.",
        )
    return shards


PAGE = Page(
    title="Tuning",
    path="/tuning",
    routes=(
        Route("/tuning", show_tuning, methods=["GET"]),
        Route("/tuning/scale", scale, methods=["POST"]),
    ),
)
