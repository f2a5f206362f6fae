"""Sign a browser in and out.

The key in the printed address signs in one browser, once; a configured key any browser. A form
sends each: what only asks for the address, such as a program that previews links or a browser that
loads ahead, does not use the key up. The browser then has a cookie, and its address bar no key.
"""

import secrets
from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console.addresses import local_path
from reconciler.console.context import Console, console_of, field_of, form_of
from reconciler.console.error_pages import Refusal
from reconciler.console.sessions import is_equal

SIGN_IN_PATH = "/sign-in"
SIGN_OUT_PATH = "/sign-out"
SESSION_PATHS = frozenset({SIGN_IN_PATH, SIGN_OUT_PATH})
"""A POST there changes nothing but the browser's own session."""


def session_of(request: Request, console: Console) -> str | None:
    """Return the live session of a request's cookie."""
    session = request.cookies.get(console.cookie_name)
    return session if console.sessions.is_live(session) else None


def nonce_of(request: Request, console: Console) -> str | None:
    """Return the cookie to which the token of the sign-in form belongs."""
    return request.cookies.get(_nonce_name(console))


def needs_sign_in(request: Request, refusal: Refusal) -> Response:
    """Return the page that says how to sign in, with a form if there is a configured key."""
    return _sign_in_page(request, status=refusal.status)


def sign_in_page(request: Request) -> Response:
    """Show how to sign in: with the one-time key in the address, by a form that sends it."""
    key = request.query_params.get("key")
    if key is None:
        return _sign_in_page(request)
    if not console_of(request).one_time_key.is_right(key):
        return _refuse_one_time_key(request)
    return _sign_in_page(request, one_time_key=key)


def sign_in(request: Request) -> Response:
    """Sign in with the one-time key or with the configured one."""
    console = console_of(request)
    if "once" in form_of(request):
        # Not counted among the wrong keys: nobody can guess it.
        if not console.one_time_key.redeem(field_of(request, "once")):
            return _refuse_one_time_key(request)
        return _begin_session(request, "/")
    _require_patience(console)
    key = console.options.key
    if key is None or not is_equal(key.get_secret_value(), field_of(request, "key")):
        console.wrong_keys.record()
        return _sign_in_page(
            request, status=HTTPStatus.FORBIDDEN, problem="That is not the console's key."
        )
    return _begin_session(request, field_of(request, "next"))


def sign_out(request: Request) -> Response:
    """End the browser's session."""
    console = console_of(request)
    console.sessions.end(request.state.session)
    response = console.redirect(SIGN_IN_PATH)
    response.delete_cookie(console.cookie_name, path=console.cookie_path)
    return response


ROUTES: Sequence[Route] = (
    Route(SIGN_IN_PATH, sign_in_page, methods=["GET"]),
    Route(SIGN_IN_PATH, sign_in, methods=["POST"]),
    Route(SIGN_OUT_PATH, sign_out, methods=["POST"]),
)


def _begin_session(request: Request, path: str) -> Response:
    console = console_of(request)
    response = console.redirect(path)
    _set_cookie(request, response, console.cookie_name, console.sessions.begin())
    return response


def _refuse_one_time_key(request: Request) -> Response:
    return _sign_in_page(
        request,
        status=HTTPStatus.FORBIDDEN,
        problem="This address has been used already, or a newer one has replaced it.",
    )


def _sign_in_page(
    request: Request,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    problem: str | None = None,
    one_time_key: str | None = None,
) -> Response:
    console = console_of(request)
    nonce = nonce_of(request, console) or secrets.token_urlsafe(16)
    path = request.scope["path"]
    response = console.render(
        request,
        "sign_in.html",
        status_code=status,
        problem=problem,
        one_time_key=one_time_key,
        has_key=console.options.key is not None,
        sign_in_token=console.tokens.token_of(nonce),
        next_path=local_path(request.query_params.get("next"))
        if path in SESSION_PATHS
        else _address_of(request),
    )
    _set_cookie(request, response, _nonce_name(console), nonce)
    return response


def _address_of(request: Request) -> str:
    """Return the address to go on to: what a GET asked for."""
    query = request.scope["query_string"].decode("ascii", "replace")
    is_page = request.method == "GET"
    return local_path(request.scope["path"] + (f"?{query}" if query else "")) if is_page else "/"


def _require_patience(console: Console) -> None:
    if (seconds := console.wrong_keys.wait_seconds) > 0:
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many wrong keys were tried.",
            f"Try again in {seconds:.0f} s.",
        )


def _nonce_name(console: Console) -> str:
    return f"{console.cookie_name}-sign-in"


def _set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        path=console_of(request).cookie_path,
        secure=request.state.origin.is_encrypted,
        httponly=True,
        samesite="strict",
    )
