"""Tuning: the curve of a saved `tune --json`, the plan of a `scale`, and what to type."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console import tune_report
from reconciler.console.context import Console, console_of, field_of
from reconciler.console.error_pages import Refusal
from reconciler.console.pages.page import Page
from reconciler.console.query import number_of
from reconciler.console.scaling import NotScaled, Scaled
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.errors import ConfigurationError, NoSupervisor
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.sharding import Scaling


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a change of the number of shards moves; `unanswered` if no supervisor said so."""

    scaling: Scaling
    unanswered: str | None


def show_tuning(request: Request) -> Response:
    """Show the curve, the plan for the number of shards in the address, and what was changed."""
    given = request.query_params.get("shards")
    return _page(
        request,
        shards=None if given is None else _number_of_shards(given),
        scaled=console_of(request).scalings.find(number_of(request.query_params.get("scaled", ""))),
    )


def scale(request: Request) -> Response:
    """Change the number of shards of the running supervisor."""
    console = console_of(request)
    shards = _number_of_shards(field_of(request, "shards"))
    try:
        scaled = console.scalings.scale(
            console.settings,
            console.databases,
            shards=shards,
            planned_from=number_of(field_of(request, "planned_from")),
            by=console.operator,
        )
    except NotScaled as error:
        is_conflict = error.is_refusal
        status = HTTPStatus.CONFLICT if is_conflict else HTTPStatus.SERVICE_UNAVAILABLE
        return _page(request, status, shards=shards, not_scaled=error.what)
    return console.redirect(f"/tuning?shards={shards}&scaled={scaled.number}")


def _page(
    request: Request,
    status_code: HTTPStatus = HTTPStatus.OK,
    *,
    shards: int | None,
    scaled: Scaled | None = None,
    not_scaled: str | None = None,
) -> Response:
    console = console_of(request)
    report = console.options.tune_report
    return console.render(
        request,
        "tuning.html",
        status_code=status_code,
        report=report,
        picture=None if report is None else tune_report.Picture.of(report),
        frame=tune_report,
        plan=None if shards is None else _plan(console, shards),
        status=console.poller.snapshot.status,
        most_shards=MAX_SHARDS,
        scaled=scaled,
        not_scaled=not_scaled,
    )


def _plan(console: Console, shards: int) -> Plan:
    try:
        scaling = ask_supervisor(console.settings, "scale", Scaling, shards=shards, plan=True)
    except (NoSupervisor, ConfigurationError) as error:
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
