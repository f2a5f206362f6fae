"""What a shadow has found so far: for its log, `status` and its report.

A shadow is a run that writes nothing. It counts what it would have written, and looks at those rows
again and again, to see whether the application gets there by itself, and how much later.
"""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """Whether a supervisor's work is written."""

    LIVE = "live"
    SHADOW = "shadow"


@dataclass(frozen=True, kw_only=True, slots=True)
class CatchUpFigures:
    """What became of changes that were not written.

    Attributes:
        would_change: The changes. Each is in one of the next four.
        caught_up: The application made the change by itself, or went further.
        not_yet: The row still waits for it.
        elsewhere: The row ended otherwise: in another status, or with less executed.
        gone: The row was deleted, or names another order now.
        median_seconds, p95_seconds, longest_seconds: How much later than we would have written them
            the application made those that it caught up with, to within a tenth; None if it made
            none.
    """

    would_change: int
    caught_up: int
    not_yet: int
    elsewhere: int
    gone: int
    median_seconds: float | None
    p95_seconds: float | None
    longest_seconds: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowFigures:
    """The figures of a shadow since its start.

    Attributes:
        looked_at: Looks at orders that led to a decision; an order is looked at again when it is
            stale again.
        confirmed: Those of them that found the row right.
        would_hold: Orders that would be on hold.
        changes: What became of the changes.
        oldest_not_yet_seconds: How long ago the oldest change was due that a row still waits for.
        not_followed: Changes and holds that are not counted, because too many are remembered.
        halts: How often the halt would have been applied.
    """

    looked_at: int
    confirmed: int
    would_hold: int
    changes: CatchUpFigures
    oldest_not_yet_seconds: float | None
    not_followed: int
    halts: int
