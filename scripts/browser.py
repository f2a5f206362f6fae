"""The system's Chromium, headless, for the tests and the pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_OPTIONS = (
    "--no-sandbox",  # Chromium as root has none.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def open_browser(program: Path) -> Iterator[Browser]:
    """Start the browser; end it with the block. It looks for nothing on the network by itself."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(program), args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()
