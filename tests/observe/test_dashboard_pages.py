"""The dashboards as a person opens them: graphite-web's page in a real browser."""

import json
import time
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page

from scripts.browser import open_browser
from scripts.dashboard.layout import DASHBOARDS
from scripts.observatory.dashboards import dashboard_files, load_dashboards
from scripts.observatory.stack import Observatory

from ..optional_programs import require_program  # noqa: TID252 - tests are no package

HANG_SECONDS = 120.0
"""Only for a page that never gets ready."""

LOOK_MS = 100

_DRAWN_GRAPHS = """
Array.from(document.querySelectorAll('img.graph-img'))
    .filter(graph => graph.complete && graph.naturalWidth > 0)
    .map(graph => graph.src)
"""


@pytest.fixture
def page() -> Iterator[Page]:
    with open_browser(require_program("chromium")) as browser:
        yield browser.new_page(viewport={"width": 1920, "height": 1080})


def graphs_of(page: Page, count: int) -> list[str]:
    """Wait until all graphs of a dashboard are drawn; return their addresses."""
    deadline = time.monotonic() + HANG_SECONDS
    # The page's old library breaks Playwright's own way to wait for an expression.
    while len(drawn := page.evaluate(_DRAWN_GRAPHS)) != count:
        assert time.monotonic() < deadline, f"{len(drawn)} of {count} graphs"
        page.wait_for_timeout(LOOK_MS)
    return [unquote(address) for address in drawn]


def test_graphite_web_opens_each_dashboard_and_draws_each_panel(
    observatory: Observatory, page: Page
) -> None:
    addresses = load_dashboards(observatory.graphite)
    assert set(addresses) == {f"reconciler-{plan.slug}" for plan in DASHBOARDS}

    for plan in DASHBOARDS:
        page.goto("about:blank")
        page.goto(addresses[f"reconciler-{plan.slug}"])
        graphs = graphs_of(page, len(list(plan.panels)))
        assert all("stats." in graph for graph in graphs), graphs


def test_a_dashboard_saved_as_a_template_opens_for_any_prefix(
    observatory: Observatory, page: Page
) -> None:
    url = observatory.graphite.url
    file = next(path for path in dashboard_files() if path.stem == "overview")
    saved = page.request.post(
        f"{url}/dashboard/save_template/reconciler-overview/reconciler",
        form={"state": json.dumps(json.loads(file.read_text(encoding="utf-8")))},
    )
    assert saved.json() == {"success": True}

    page.goto(f"{url}/dashboard#reconciler-overview/desk.oms-2")
    graphs = graphs_of(page, len(list(DASHBOARDS[0].panels)))

    assert all(".desk.oms-2." in graph and ".reconciler." not in graph for graph in graphs)
