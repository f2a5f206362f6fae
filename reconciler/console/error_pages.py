"""Errors as pages: what happened and what to do. Never a traceback."""

from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from reconciler.console.context import console_of
from reconciler.errors import ConfigurationError, Problem, ReconcilerError, StoreUnavailable

_log = structlog.get_logger(__name__)

_TITLES = {
    HTTPStatus.UNAUTHORIZED: "Sign in",
    HTTPStatus.FORBIDDEN: "Refused",
    HTTPStatus.NOT_FOUND: "There is no such page",
    HTTPStatus.METHOD_NOT_ALLOWED: "Refused",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not possible now",
    HTTPStatus.INTERNAL_SERVER_ERROR: "This page has failed",
}


@dataclass  # Not frozen: Starlette and contextlib set the traceback of what passes through them.
class Refusal(Exception):
    """A request that is refused, with the reason and what to do about it."""

    status: HTTPStatus
    what: str
    hint: str = ""


def refusal_page(request: Request, refusal: Refusal) -> Response:
    """Return the page of a refusal."""
    problems = [Problem(what=refusal.what, hint=refusal.hint)]
    response = _page(request, refusal.status, problems)
    if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, HEAD, POST"
    return response


async def error_page(request: Request, error: Exception) -> Response:
    """Return the page of an error that a page raised: a refusal, one of ours, one of the routes.

    Raises:
        Exception: it is another one, so a bug.
    """
    match error:
        case Refusal():
            return refusal_page(request, error)
        case HTTPException():
            return _page_of_status(request, error)
        case StoreUnavailable():
            hint = "The page comes back when the database does. To see what it lacks, type:"
            return _page(
                request,
                HTTPStatus.SERVICE_UNAVAILABLE,
                [Problem(what=str(error), hint=hint)],
                title="The database does not answer",
                command="reconciler check",
            )
        case ConfigurationError():
            return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, error.problems)
        case ReconcilerError():
            problems = [Problem(what=str(error), hint="")]
            return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, problems)
        case _:
            raise error


def bug_page(request: Request, error: Exception) -> Response:
    """Return the page of a bug of ours; its traceback goes to the log."""
    _log.error("console.page_failed", path=request.url.path, exc_info=error)
    problem = Problem(
        what="This should not have happened.",
        hint="The log of reconciler console has the details (console.page_failed).",
    )
    return _page(request, HTTPStatus.INTERNAL_SERVER_ERROR, [problem])


def _page_of_status(request: Request, error: HTTPException) -> Response:
    status = HTTPStatus(error.status_code)
    is_unknown = status is HTTPStatus.NOT_FOUND
    what = "The console has no page at this address." if is_unknown else f"{status.phrase}."
    response = _page(request, status, [Problem(what=what, hint="")])
    response.headers.update(error.headers or {})
    return response


def _page(
    request: Request,
    status: HTTPStatus,
    problems: object,
    *,
    title: str | None = None,
    command: str | None = None,
) -> Response:
    return console_of(request).render(
        request,
        "error.html",
        status_code=status,
        title=title or _TITLES.get(status, status.phrase),
        problems=problems,
        command=command,
    )
