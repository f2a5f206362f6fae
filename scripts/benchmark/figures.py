"""A comparison as data: every value that was measured, its median and its spread."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from reconciler.errors import ReconcilerError


class BenchFailed(ReconcilerError):
    """A measurement that cannot stand: a contender did less than asked, or a process died."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured thing, once a round.

    Attributes:
        group: What is measured, where several things are of the same subjects, which `name` says.
        note: How it was set up, where a reader could ask.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    group: str = ""
    note: str = ""

    @property
    def label(self) -> str:
        """Group and name."""
        return f"{self.group}: {self.name}" if self.group else self.name

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest value."""
        return min(self.values), max(self.values)

    def as_json(self) -> dict[str, Any]:
        """Return it as the report shows it."""
        lowest, highest = self.spread
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "median": _short(self.median),
            "lowest": _short(lowest),
            "highest": _short(highest),
            "values": [_short(value) for value in self.values],
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True)
class Target:
    """A bound for a figure, or a ratio of two: at least `wanted`, or with `at_most` no more."""

    name: str
    wanted: float
    reached: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """True if the figure keeps the bound."""
        return self.reached <= self.wanted if self.at_most else self.reached >= self.wanted

    def as_json(self) -> dict[str, Any]:
        """Return it as the report shows it."""
        return {
            "name": self.name,
            "wanted": self.wanted,
            "at_most": self.at_most,
            "reached": _short(self.reached),
            "met": self.is_met,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The figures of one comparison. `conditions` were the same for all contenders."""

    key: str
    title: str
    conditions: str
    figures: tuple[Figure, ...]
    targets: tuple[Target, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the report shows it."""
        return {
            "key": self.key,
            "title": self.title,
            "conditions": self.conditions,
            "figures": [figure.as_json() for figure in self.figures],
            "targets": [target.as_json() for target in self.targets],
        }


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' ratios: what disturbs a round disturbs both of its parts."""
    return median(our / their for our, their in zip(ours, theirs, strict=True))


def times_as_fast(figures: Sequence[Figure], wanted: Sequence[float | None]) -> tuple[Target, ...]:
    """Hold the first of the rates against the others, as far as there is something wanted."""
    ours, *others = figures
    return tuple(
        Target(
            name=f"times as fast as: {other.name}",
            wanted=least,
            reached=ratio(ours.values, other.values),
        )
        for other, least in zip(others, wanted, strict=False)
        if least is not None
    )


def _short(value: float) -> float:
    """Round to four digits that count: more would only be noise."""
    return float(f"{value:.4g}") if abs(value) < 10_000 else round(value)  # noqa: PLR2004 - five digits are shown whole
