"""What axe-core finds wrong with a page for those who use a keyboard or a screen reader."""

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

from ..optional_programs import require_program  # noqa: TID252 - tests are no package


def violations(page: Page) -> list[str]:
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
