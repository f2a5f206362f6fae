"""Panels and dashboards, for each program that draws them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from reconciler.telemetry.metric_definition import Metric
from scripts.dashboard.limits import Limits
from scripts.dashboard.signal import Signal


class PanelUnit(StrEnum):
    """The unit of a panel's axis."""

    ORDERS = "orders"
    PER_SECOND = "a second"
    PER_MINUTE = "a minute"
    MILLISECONDS = "ms"
    SECONDS = "s"
    PERCENT = "%"
    WEIGHT = "weight in 60 s"
    NUMBER = "number"
    GRADE = "1 warning, 2 critical, 3 unknown"
    BREAKER = "0 closed ... 2 open"
    YES_OR_NO = "1: yes"

    @property
    def is_state(self) -> bool:
        """True if the values are states and nothing lies between them."""
        return self in {PanelUnit.GRADE, PanelUnit.BREAKER, PanelUnit.YES_OR_NO}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One signal of a panel.

    Attributes:
        signal: What it draws.
        name: Its name in the legend. Where the metric's name has variable parts, the text before
            their values: `shard ` gives `shard 0`.
        is_limit: True for a line to compare the others with.
    """

    signal: Signal
    name: str = ""
    is_limit: bool = False


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        title: Its title.
        answers: The question that it answers.
        unit: The unit of its values.
        lines: What it draws.
        runbook: The section of the runbook for when it looks bad: an anchor of
            docs/how-to/incident-runbook.md.
        limits: From where a value is a warning or critical: drawn as lines.
        tile: The title of a tile with the present value, at the top of the dashboard. None: no
            tile. Tiles take their value from the first line.
        is_stacked: True to draw the lines on top of each other, so that their sum is seen.
        shows_faults: True if each of its lines is something bad.
    """

    title: str
    answers: str
    unit: PanelUnit
    lines: tuple[Line, ...]
    runbook: str
    limits: Limits | None = None
    tile: str | None = None
    is_stacked: bool = False
    shows_faults: bool = False

    @property
    def metrics(self) -> Iterator[Metric]:
        """The metrics that it draws."""
        for line in self.lines:
            yield from line.signal.metrics


@dataclass(frozen=True, kw_only=True)
class Section:
    """Panels that answer one question together."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class DashboardPlan:
    """A dashboard.

    Attributes:
        slug: The name of its files, and of its address.
        title: Its title.
        answers: What it is for.
        sections: Its panels, the most important first.
    """

    slug: str
    title: str
    answers: str
    sections: tuple[Section, ...]

    @property
    def panels(self) -> Iterator[Panel]:
        """Its panels, in order."""
        for section in self.sections:
            yield from section.panels
