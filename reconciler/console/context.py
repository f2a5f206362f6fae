"""What all pages share."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from reconciler.console.addresses import OwnOrigins, local_path
from reconciler.console.database_pool import DatabasePool
from reconciler.console.decisions import Decisions
from reconciler.console.news import News
from reconciler.console.options import ConsoleOptions
from reconciler.console.poller import Poller
from reconciler.console.request_body import Form
from reconciler.console.scaling import Scalings
from reconciler.console.sessions import OneTimeKey, Sessions, Tokens, WrongKeys
from reconciler.console.templating import Templates
from reconciler.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Console:
    """The running console: what it was started with, and what its pages share.

    Attributes:
        origins: The addresses that it answers to.
        databases: Connections for the pages.
        poller: What the supervisor and the database said last.
        news: Wakes the pages that follow the poller.
    """

    settings: Settings
    options: ConsoleOptions
    origins: OwnOrigins
    databases: DatabasePool
    poller: Poller
    templates: Templates
    news: News = field(default_factory=News)
    sessions: Sessions = field(default_factory=Sessions)
    one_time_key: OneTimeKey = field(default_factory=OneTimeKey)
    wrong_keys: WrongKeys = field(default_factory=WrongKeys)
    tokens: Tokens = field(default_factory=Tokens)
    decisions: Decisions = field(default_factory=Decisions)
    scalings: Scalings = field(default_factory=Scalings)

    @property
    def url(self) -> str:
        """The address of the console, with a slash at its end."""
        return f"{self.origins.shown}{self.options.base_path}/"

    @property
    def cookie_name(self) -> str:
        """The name of the session's cookie. It has the port: cookies are the same for all ports."""
        return f"reconciler-console-{self.origins.port}"

    @property
    def cookie_path(self) -> str:
        """The path of the cookies: a proxy may have other programs next to this one."""
        return self.options.base_path or "/"

    @property
    def operator(self) -> str:
        """Who acts: for handlers of a POST, which the gate lets through only if there is one.

        Raises:
            RuntimeError: there is none.
        """
        if self.options.operator is None:
            raise RuntimeError("a read-only console let an action through")
        return self.options.operator

    def render(
        self, request: Request, template: str, *, status_code: int = 200, **values: object
    ) -> HTMLResponse:
        """Return a page: the template with the values and with what every page shows."""
        text = self.templates.render(
            template,
            path=request.url.path,
            token=request.state.token,
            health=self.poller.snapshot.health.value,
            **values,
        )
        return HTMLResponse(text, status_code)

    def redirect(self, path: str) -> RedirectResponse:
        """Go on to a path of ours with a GET, as after a POST. Any other address leads to "/"."""
        return RedirectResponse(self.options.base_path + local_path(path), status_code=303)


def console_of(request: Request) -> Console:
    """Return the console that a request came to."""
    console: Console = request.state.console
    return console


def form_of(request: Request) -> Form:
    """Return the form of a POST, which the gate has read and checked."""
    form: Form = request.state.form
    return form


def field_of(request: Request, name: str) -> str:
    """Return a field of the form of a POST; "" if it is not there."""
    return next(iter(form_of(request).get(name, ())), "").strip()
