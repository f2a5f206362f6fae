"""Every page in a real browser: on a phone, with a keyboard, in light and dark."""

import re
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Page

from reconciler.console.pages import PAGES

from ..optional_programs import require_program  # noqa: TID252 - tests are no package
from .conftest import NARROW, WIDE, OpenPage
from .processes import RunningConsole

PATHS = [page.path.removeprefix("/") for page in PAGES]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (NARROW, True)], ids=["wide", "phone"])
def test_no_page_shuts_anybody_out(
    acting_console: RunningConsole, open_page: OpenPage, path: str, width: int, *, dark: bool
) -> None:
    page = open_page(acting_console, path, width=width, dark=dark)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _axe_violations(page) == []


def test_the_sign_in_page_shuts_nobody_out(
    acting_console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(acting_console, allowed_error=re.compile("401"))
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")

    assert _axe_violations(page) == []


def test_the_first_tab_stop_leads_to_the_content(
    acting_console: RunningConsole, open_page: OpenPage
) -> None:
    page = open_page(acting_console)

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"


def _axe_violations(page: Page) -> list[str]:
    """Return what axe-core finds: the rule, and the elements that break it."""
    page.evaluate(_axe(require_program("axe-core")))
    found = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{violation['id']}: {violation['help']}: {node['html']} {node.get('failureSummary')}"
        for violation in found
        for node in violation["nodes"]
    ]


@cache
def _axe(file: Path) -> str:
    return file.read_text(encoding="utf-8")
