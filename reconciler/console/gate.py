"""Refuse what must not get through: every request passes here before any page.

In this order:

    host            not one of ours: DNS rebinding
    method          only GET, HEAD and POST
    address         too long
    session         no live cookie: only the way to sign in, and styles, are open without one
    POST            a form of a bounded size, sent by a page of ours (Sec-Fetch-Site or Origin),
                    with the session's token; and the console is not read-only

So no page can forget one. What every answer has is set here too.
"""

from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.console.addresses import Origin
from reconciler.console.context import Console
from reconciler.console.error_pages import Refusal, bug_page, refusal_page
from reconciler.console.request_body import (
    FORM_TYPE,
    BodyTooLarge,
    BodyUnreadable,
    Form,
    read_form,
)
from reconciler.console.sign_in import (
    SESSION_PATHS,
    SIGN_IN_PATH,
    needs_sign_in,
    nonce_of,
    session_of,
)
from reconciler.console.static_files import PREFIX as STATIC_PREFIX

LONGEST_ADDRESS = 8192
TOKEN_FIELD = "token"  # noqa: S105 - the name of a field

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_READ_ONLY = (
    "This console is read-only: nothing can be changed from it.",
    "To allow that, start it again with: reconciler console --allow-actions --by NAME",
)


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, console: Console) -> None:
        self._app = app
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: with a page, or with a refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        origin = self._console.origins.find(request.headers.get("host", ""))
        self._enter(request)
        answer = _Answer(send, origin)
        try:
            await self._admit(request, origin)
        except Refusal as refusal:
            is_sign_in = refusal.status is HTTPStatus.UNAUTHORIZED
            page = needs_sign_in if is_sign_in else refusal_page
            await page(request, refusal)(scope, receive, answer.send)
            return
        try:
            await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - the top of a request: logged, shown without details
            page_of_bug = bug_page(request, error)
            if not answer.has_begun:
                await page_of_bug(scope, receive, answer.send)

    def _enter(self, request: Request) -> None:
        """Give the request what pages and error pages need, and take the base path off."""
        scope, base_path = request.scope, self._console.options.base_path
        if base_path and scope["path"].startswith(f"{base_path}/"):
            scope["path"] = scope["path"].removeprefix(base_path)
            scope["raw_path"] = scope["path"].encode()
        # Without it Starlette's routes answer what they do not know with a plain text.
        scope["app"] = self._app
        request.state.console = self._console
        request.state.session = None
        request.state.token = ""

    async def _admit(self, request: Request, origin: Origin | None) -> None:
        """Let the request through.

        Raises:
            Refusal: it must not get through.
        """
        if origin is None:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "The console does not answer under this name.",
                "Use the address that it printed. If a proxy has it under this name, start it with"
                " --public-origin",
            )
        request.state.origin = origin
        if request.method not in {"GET", "HEAD", "POST"}:
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and POST are understood here.")
        if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > LONGEST_ADDRESS:
            raise Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "The address is too long.")
        path = request.scope["path"]
        if path.startswith(STATIC_PREFIX) and request.method != "POST":
            return
        session = session_of(request, self._console)
        if session is not None:
            request.state.session = session
            request.state.token = self._console.tokens.token_of(session)
        elif path != SIGN_IN_PATH:
            raise Refusal(HTTPStatus.UNAUTHORIZED, "This browser is not signed in.")
        if request.method == "POST":
            await self._admit_post(request, origin, path)

    async def _admit_post(self, request: Request, origin: Origin, path: str) -> None:
        _require_own_page(request, origin)
        if self._console.options.is_read_only and path not in SESSION_PATHS:
            raise Refusal(HTTPStatus.FORBIDDEN, *_READ_ONLY)
        form = await _read_form(request)
        cookie = nonce_of(request, self._console) if path == SIGN_IN_PATH else None
        token = next(iter(form.get(TOKEN_FIELD, ())), None)
        if not self._console.tokens.is_right(cookie or request.state.session, token):
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "The form does not belong to this session, so nothing was done.",
                "Go back, reload the page, and try again.",
            )
        request.state.form = form


def _require_own_page(request: Request, origin: Origin) -> None:
    """Require that a page of ours sent a POST. A browser says so in one of two headers.

    Raises:
        Refusal: another site sent it, or no browser did.
    """
    site, sender = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_ours = site == "same-origin" if site is not None else sender == str(origin)
    is_foreign = sender not in {None, "null", str(origin)}
    if not is_ours or is_foreign:
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "Another site sent this request, so nothing was done.",
            "Only the forms of this console can change something.",
        )


async def _read_form(request: Request) -> Form:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM_TYPE:
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only forms of this console are accepted.")
    try:
        return await read_form(request.receive)
    except BodyTooLarge:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The form is too large.", "Choose fewer at once."
        ) from None
    except BodyUnreadable:
        raise Refusal(HTTPStatus.BAD_REQUEST, "The form cannot be read.") from None


class _Answer:
    """Sends an answer with the headers that every answer has."""

    def __init__(self, send: Send, origin: Origin | None) -> None:
        self._send = send
        # A browser that sends no Sec-Fetch-Site must at least be able to name the origin of a form.
        is_safe = origin is None or origin.is_trustworthy
        self._headers = _HEADERS | {
            "Referrer-Policy": "no-referrer" if is_safe else "same-origin",
        }
        self.has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)
