"""Every page in a real browser: on a phone, with a keyboard, in light and dark."""

import pytest

from reconciler.console.pages import PAGES

from .conftest import NARROW, OpenPage
from .processes import RunningConsole

PATHS = [page.path.removeprefix("/") for page in PAGES]


@pytest.mark.parametrize("path", PATHS)
def test_no_page_scrolls_sideways_on_a_phone(
    console: RunningConsole, open_page: OpenPage, path: str
) -> None:
    page = open_page(console, path, width=NARROW)

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


def test_the_first_tab_stop_leads_to_the_content(
    console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(console)

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"
