"""The console as an application: the routes of all pages, behind the gate."""

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from reconciler.console import events, sign_in
from reconciler.console.context import Console
from reconciler.console.error_pages import Refusal, error_page
from reconciler.console.gate import Gate
from reconciler.console.pages import PAGES
from reconciler.console.static_files import PREFIX, StaticFiles
from reconciler.errors import ReconcilerError


def build_app(console: Console, static_files: StaticFiles) -> ASGIApp:
    """Return the application."""
    routes = [
        Route(f"{PREFIX}{{name}}", static_files.serve, methods=["GET"]),
        *sign_in.ROUTES,
        *events.ROUTES,
        *(route for page in PAGES for route in page.routes),
    ]
    # Not `Starlette`, whose own page of a bug would come before the gate's.
    pages = ExceptionMiddleware(
        Router(routes, redirect_slashes=False),
        handlers=dict.fromkeys((Refusal, HTTPException, ReconcilerError), error_page),
    )
    return Gate(pages, console=console)
