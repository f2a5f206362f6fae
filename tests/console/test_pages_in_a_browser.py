"""Every page in a real browser: on a phone, with a keyboard, in light and dark."""

import re
from contextlib import closing
from http import HTTPStatus

import pytest
from playwright.sync_api import Browser, Response, Route

from reconciler.console.pages import PAGES

from .axe import violations
from .conftest import NARROW, WIDE, OpenPage
from .processes import RunningConsole

_HIDDEN_LINKS = """
    [...document.querySelectorAll("nav a")]
        .filter(link => link.getBoundingClientRect().right > innerWidth)
        .map(link => link.textContent)
"""

PATHS = [page.path.removeprefix("/") for page in PAGES]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)], ids=["wide", "phone"])
def test_no_page_shuts_anybody_out(
    acting_console: RunningConsole, open_page: OpenPage, path: str, width: int, *, dark: bool
) -> None:
    page = open_page(acting_console, path, width=width, dark=dark)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(_HIDDEN_LINKS) == []
    assert violations(page) == []


def test_the_sign_in_page_shuts_nobody_out(
    acting_console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(acting_console, allowed_error=re.compile("401"))
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")

    assert violations(page) == []


def test_without_scripts_a_button_sends_the_printed_key(
    console: RunningConsole, browser: Browser
) -> None:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        page = context.new_page()
        page.goto(console.new_sign_in_url())
        page.get_by_role("button", name="Sign in").click()

        page.wait_for_url(console.url)


def test_news_that_come_during_the_sign_out_do_not_cancel_it(
    acting_console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(acting_console, allowed_error=re.compile("401"))

    def is_refused_refresh(answer: Response) -> bool:
        return answer.url == console_url and answer.status == HTTPStatus.UNAUTHORIZED

    def answer_after_news(route: Route) -> None:
        headers = {**route.request.headers, "Sec-Fetch-Site": "same-origin"}
        with page.expect_response(is_refused_refresh):
            signed_out = route.fetch(max_redirects=0, headers=headers)
        route.fulfill(response=signed_out)

    console_url = page.url
    page.route("**/sign-out", answer_after_news)
    page.get_by_role("button", name="Sign out").click(no_wait_after=True)

    page.wait_for_url("**/sign-in")


def test_the_first_tab_stop_leads_to_the_content(
    acting_console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(acting_console)

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"
