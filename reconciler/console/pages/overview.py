"""The overview: are orders right; if not, whose fault is it, and what to type."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console.context import console_of
from reconciler.console.pages.page import Page


def show_overview(request: Request) -> Response:
    """Show the overview."""
    return console_of(request).render(request, "overview.html")


PAGE = Page(
    title="Overview",
    path="/",
    routes=(Route("/", show_overview, methods=["GET"]),),
)
