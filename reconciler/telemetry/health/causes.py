"""The rows that often cause others, and the order in which a verdict names its reasons. Pure.

A late order is only a symptom if the exchange is away. So a cause is named before a symptom, also
if its own grade is better. All that shows a verdict has this order: `health`, `status`, `top`, the
console, and the incident runbook, which begins with the same causes.
"""

from collections.abc import Iterable

from reconciler.telemetry.health.rows import Grade, HealthRow, Slug

CAUSES = (
    Slug.DATABASE,
    Slug.SUPERVISOR,
    Slug.ACCOUNTS,
    Slug.HALT,
    Slug.PAUSE,
    Slug.EXCHANGE,
    Slug.BREAKERS,
    Slug.SHARDS,
)
"""What often causes the other rows; the one that explains the most first."""

_GRADES = (Grade.CRITICAL, Grade.WARNING, Grade.UNKNOWN, Grade.HEALTHY)
_BAD = (Grade.CRITICAL, Grade.WARNING)


def reasons_of(status: Grade, rows: Iterable[HealthRow]) -> tuple[HealthRow, ...]:
    """Return the rows that made a verdict and the causes that are not well; causes first.

    None if all is well. If the verdict is unknown: that no supervisor runs, and the last run.
    """
    match status:
        case Grade.HEALTHY:
            return ()
        case Grade.UNKNOWN:
            said = {Slug.SUPERVISOR, Slug.LAST_RUN}
            found = [row for row in rows if row.slug in said and row.grade is Grade.UNKNOWN]
        case _:
            found = [
                row
                for row in rows
                if row.grade is status or (row.slug in CAUSES and row.grade in _BAD)
            ]
    return causes_first(found)


def causes_first(rows: Iterable[HealthRow]) -> tuple[HealthRow, ...]:
    """Return rows in the order in which to read them: causes, the rest by grade, unknown last."""
    return tuple(sorted(rows, key=_urgency))


def _urgency(row: HealthRow) -> tuple[bool, int, int]:
    is_unknown = row.grade is Grade.UNKNOWN
    cause = CAUSES.index(row.slug) if row.slug in CAUSES else len(CAUSES)
    return is_unknown, cause, _GRADES.index(row.grade)
