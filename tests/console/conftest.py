"""The real console over a real database, and a real browser."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from scripts.browser import open_browser

from ..optional_programs import require_program  # noqa: TID252 - tests are no package
from .processes import RunningConsole

StartConsole = Callable[..., RunningConsole]
OpenPage = Callable[..., Page]

DEADLINE_MS = 300_000
"""For a busy machine: what is expected is usually there at once."""

expect.set_options(timeout=DEADLINE_MS)

NARROW = 360
WIDE = 1280


@pytest.fixture(scope="module")
def ready_database_url(module_database_url: str) -> str:
    """A database, set up and empty, for tests that only read. Consoles stay connected to it."""
    return module_database_url


@pytest.fixture
def start_console(tmp_path: Path) -> Iterator[StartConsole]:
    """Start consoles: `start_console("--allow-actions", "--by", "ada", DATABASE_URL=...)`."""
    with ExitStack() as running:

        def start(*arguments: str, **environment: str) -> RunningConsole:
            return running.enter_context(
                RunningConsole(*arguments, environment=environment, folder=tmp_path)
            )

        yield start


@pytest.fixture(scope="module")
def module_environment(
    ready_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """The settings of the module's consoles: no supervisor runs."""
    socket = tmp_path_factory.mktemp("nobody") / "control.sock"
    return {"DATABASE_URL": ready_database_url, "RECONCILIATION_CONTROL_SOCKET": str(socket)}


@pytest.fixture(scope="module")
def console(
    module_environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningConsole]:
    """A console of this module: read-only, over a database that nobody works on."""
    folder = tmp_path_factory.mktemp("console")
    with RunningConsole(environment=module_environment, folder=folder) as running:
        yield running


@pytest.fixture(scope="module")
def acting_console(
    module_environment: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningConsole]:
    """The same with actions allowed, and with a key that is configured."""
    environment = {**module_environment, "RECONCILIATION_CONSOLE_KEY": "the-key-of-these-tests"}
    folder = tmp_path_factory.mktemp("acting")
    actions = ("--allow-actions", "--by", "ada")
    with RunningConsole(*actions, environment=environment, folder=folder) as running:
        yield running


@pytest.fixture
def client(console: RunningConsole) -> Iterator[httpx.Client]:
    """A client that has signed in to the read-only console."""
    with console.signed_in() as client:
        yield client


@pytest.fixture
def acting_client(acting_console: RunningConsole) -> Iterator[httpx.Client]:
    """A client that has signed in to the console that can act."""
    with acting_console.signed_in() as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless.

    Of a module, not of the session: while it runs, no other test of this process could run an event
    loop of its own.
    """
    with open_browser(require_program("chromium")) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page of a console, signed in: `open_page(console, "holds", width=NARROW, dark=True)`.

    Fails at the end if a page reported an error, such as a breach of its content policy.
    """
    errors: list[str] = []
    with ExitStack() as contexts:

        def open_(
            console: RunningConsole,
            path: str = "",
            *,
            width: int = WIDE,
            dark: bool = False,
            allowed_error: re.Pattern[str] | None = None,
        ) -> Page:
            def keep(text: str) -> None:
                if allowed_error is None or not allowed_error.search(text):
                    errors.append(text)

            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce",
            )
            contexts.callback(context.close)
            context.set_default_timeout(DEADLINE_MS)
            page = context.new_page()
            page.on("pageerror", lambda error: keep(str(error)))
            page.on(
                "console", lambda message: keep(message.text) if message.type == "error" else None
            )
            console.sign_in(page)
            page.goto(console.url + path)
            return page

        yield open_
    assert errors == []
