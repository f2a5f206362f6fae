"""The alerts, as a table for docs/reference/dashboards.md."""

from collections.abc import Iterator

from scripts.dashboard.alerts import ALERTS

BEGIN, END = "<!-- generated: alerts -->\n", "<!-- end -->"


def with_alert_table(page: str) -> str:
    """Return the page with the table as the code has it.

    Raises:
        LookupError: the page has no marks for it.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise LookupError("the page has no marks for the table of alerts")
    return "".join((before, begin, *(f"{line}\n" for line in _lines()), end, after))


def _lines() -> Iterator[str]:
    yield "| alert | severity | fires when | for | what to do |"
    yield "|---|---|---|---|---|"
    for alert in ALERTS:
        cells = (
            f"`{alert.name}`",
            alert.severity,
            alert.summary.rstrip("."),
            f"{alert.for_seconds} s",
            f"[{alert.runbook.replace('-', ' ')}](../how-to/incident-runbook.md#{alert.runbook})",
        )
        yield f"| {' | '.join(cells)} |"
