"""The verdict of `health` with its reasons, and the holds, as lines. Pure."""

from collections.abc import Iterator

from rich.text import Text

from reconciler.health_report import HealthReport, HealthSource
from reconciler.telemetry.health import Grade, HealthRow, Slug

LABEL_WIDTH = 9
"""The width of what stands before each line of `status` and `top`."""

SHOWN_HERE = "reconciler status"

WORDS = {
    Grade.HEALTHY: "OK",
    Grade.WARNING: "WARNING",
    Grade.CRITICAL: "CRITICAL",
    Grade.UNKNOWN: "UNKNOWN",
}
STYLES = {
    Grade.HEALTHY: "green",
    Grade.WARNING: "yellow",
    Grade.CRITICAL: "bold red",
    Grade.UNKNOWN: "dim",
}
_BANNER_STYLES = {
    Grade.HEALTHY: "bold black on green",
    Grade.WARNING: "bold black on yellow",
    Grade.CRITICAL: "bold white on red",
    Grade.UNKNOWN: "bold reverse",
}


def line(label: str, *parts: str | Text) -> Text:
    """Return a line that begins with a label."""
    return Text.assemble((f"{label:<{LABEL_WIDTH}}", "bold"), *parts)


def verdict_lines(health: HealthReport | None, *, width: int) -> Iterator[Text]:
    """Return the verdict and a line for each reason, with what to type where there is room.

    None means that nobody has answered yet.
    """
    if health is None:
        yield line("verdict", Text("asking ...", style="dim"))
        return
    word = WORDS[health.status]
    banner = Text.assemble((word, _BANNER_STYLES[health.status]), " " * (LABEL_WIDTH - len(word)))
    source = " (so says the database)" if health.source is HealthSource.DATABASE else ""
    if not health.reasons:
        yield Text.assemble(banner, f"no reason for a warning{source}")
        return
    for number, reason in enumerate(health.reasons):
        start = banner if number == 0 else Text(" " * LABEL_WIDTH)
        yield _with_action(Text.assemble(start, _reason(reason), source), reason, width)


def holds_line(health: HealthReport | None) -> Text | None:
    """Return how many orders are on hold and how old the oldest hold is; None if not known."""
    if health is None:
        return None
    rows = {row.slug: row for row in health.rows}
    if Slug.HOLDS not in rows:
        return None
    holds, oldest = rows[Slug.HOLDS], rows.get(Slug.OLDEST_HOLD)
    parts = [Text(holds.value, style=_style_if_bad(holds.grade))]
    if oldest is not None and oldest.value != "none":
        parts.append(Text(f"; oldest {oldest.value}", style=_style_if_bad(oldest.grade)))
    return line("holds", *parts)


def row_lines(health: HealthReport) -> Iterator[Text]:
    """Return a line for each row of the verdict."""
    names = max((len(row.name) for row in health.rows), default=0)
    for row in health.rows:
        yield Text.assemble(
            (f"{row.grade.value:<{LABEL_WIDTH}}", STYLES[row.grade]),
            f"{row.name:<{names}}  {_on_one_line(row.value)}",
        )


def _reason(row: HealthRow) -> Text:
    return Text.assemble((row.name, STYLES[row.grade]), ": ", _on_one_line(row.value))


def _with_action(text: Text, row: HealthRow, width: int) -> Text:
    """Append what to type, and where to read on, where there is room for it.

    What `status` and `top` show need not be typed.
    """
    command = "" if row.command == SHOWN_HERE else f"   type: {row.command}"
    page = f"   read: {row.runbook}"
    for action in (command + page, command):
        if len(text) + len(action) <= width:
            return Text.assemble(text, (action, "dim"))
    return text


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _style_if_bad(grade: Grade) -> str:
    return STYLES[grade] if grade in {Grade.WARNING, Grade.CRITICAL} else ""
