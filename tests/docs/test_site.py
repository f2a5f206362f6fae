"""The site of the documents is built without a warning, and needs nothing from elsewhere."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import expect

from scripts.browser import open_browser
from scripts.site_hooks import anchor, with_four_blanks
from tests.optional_programs import require_program
from tests.scripts import SCRIPTS

from .documents import DOCUMENTS, ROOT, anchors

HANG_MS = 300_000
"""Only for a page that hangs: a busy machine needs a fraction of it."""

ASSET = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(https?:|//)""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(  # noqa: S603 - our own script
        [SCRIPTS / "site", "--site-dir", folder], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""
    return folder


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site behind a web server of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_document_is_a_page_and_can_be_searched(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    searched = {entry["location"].partition("#")[0] for entry in index["docs"]}

    pages = {
        path.relative_to(ROOT).as_posix().removeprefix("docs/").replace(".md", ".html")
        for path in DOCUMENTS
        if path != ROOT / "README.md"
    }

    assert pages - searched == set()
    assert "index.html" in searched


def test_no_page_of_the_site_loads_anything_from_elsewhere(site: Path) -> None:
    loading = [
        path.name for path in site.rglob("*.html") if ASSET.search(path.read_text(encoding="utf-8"))
    ]

    assert loading == []


def test_headings_have_the_same_anchors_on_the_site_and_on_a_code_host(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")

    made = set(re.findall(r'<h[1-6] id="([^"]+)"', page))

    assert made == anchors(text)
    assert anchor("`[orders.columns]`", "-") == "orderscolumns"


def test_what_belongs_to_an_item_is_indented_by_four_blanks() -> None:
    written = "1. one\n\n   ```bash\n   ls\n   - l\n   ```\n   - two\n     more\n\nend"

    assert with_four_blanks(written) == (
        "1. one\n\n    ```bash\n    ls\n    - l\n    ```\n    - two\n        more\n\nend"
    )


def test_the_search_finds_the_runbook_by_its_first_name_without_a_network(address: str) -> None:
    asked: list[str] = []
    with open_browser(require_program("chromium")) as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.locator(".md-search__input").click()
        # Until its script is ready, the page takes no text.
        meta = page.locator(".md-search-result__meta")
        expect(meta).to_contain_text("Type to start", timeout=HANG_MS)
        page.keyboard.type("Order Reconciliation Issues")
        first = page.locator(".md-search-result__link").first
        expect(first).to_contain_text("Incident runbook", timeout=HANG_MS)
        first.click()
        page.wait_for_url("**/how-to/incident-runbook.html*")

    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
