"""What axe-core finds wrong with a page for those who use a keyboard or a screen reader."""

from playwright.sync_api import Page

from ..optional_programs import require_program  # noqa: TID252 - tests are no package

_RUN = """
    async () => (await axe.run()).violations.map(
        (one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`)
"""


def violations(page: Page) -> list[str]:
    """Return each violation with the elements that have it."""
    page.evaluate(require_program("axe-core").read_text())
    found: list[str] = page.evaluate(_RUN)
    return found
