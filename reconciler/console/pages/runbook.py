"""The incident runbook, to which each reason of the verdict leads."""

from functools import lru_cache

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console.context import console_of
from reconciler.console.pages.page import Page
from reconciler.console.runbook import read_runbook


def show_runbook(request: Request) -> Response:
    """Show the runbook."""
    return console_of(request).render(request, "runbook.html", runbook=_runbook())


@lru_cache(maxsize=1)
def _runbook() -> Markup:
    return read_runbook()


PAGE = Page(
    title="Runbook",
    path="/runbook",
    routes=(Route("/runbook", show_runbook, methods=["GET"]),),
)
