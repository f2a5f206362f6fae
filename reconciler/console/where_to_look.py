"""Whose fault it is: where a person looks first, for each reason of the verdict. Pure.

A late order is only a symptom if the exchange is away. So a cause goes before a symptom, also if
its own grade is better.
"""

from enum import StrEnum

from reconciler.telemetry.health import Grade, HealthRow, Slug


class Place(StrEnum):
    """Where to look."""

    EXCHANGE = "the exchange"
    DATABASE = "the database"
    RECONCILER = "the reconciler"
    CAPACITY = "the budget and the shards"
    APPLICATION = "the application"
    PERSON = "a person's decision"
    SETTINGS = "the settings"


PLACES = {
    Slug.MODE: Place.SETTINGS,
    Slug.CONFIGURATION: Place.SETTINGS,
    Slug.BREAKERS: Place.EXCHANGE,
    Slug.CYCLE_DURATION: Place.EXCHANGE,
    Slug.DISCREPANCY_RATE: Place.APPLICATION,
    Slug.ERRORS: Place.EXCHANGE,
    Slug.LAST_RUN: Place.RECONCILER,
    Slug.OLDEST_STALE: Place.CAPACITY,
    Slug.BACKLOG: Place.CAPACITY,
    Slug.HOLDS: Place.PERSON,
    Slug.OLDEST_HOLD: Place.PERSON,
    Slug.PAUSE: Place.EXCHANGE,
    Slug.HALT: Place.PERSON,
    Slug.ACCOUNTS: Place.EXCHANGE,
    Slug.SHARDS: Place.RECONCILER,
    Slug.DATABASE: Place.DATABASE,
    Slug.EXCHANGE: Place.EXCHANGE,
    Slug.SUPERVISOR: Place.RECONCILER,
}

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
"""What often causes the other rows, in the order in which the incident runbook begins with them."""

_GRADES = (Grade.CRITICAL, Grade.WARNING, Grade.UNKNOWN)


def troubles(rows: tuple[HealthRow, ...], reasons: tuple[HealthRow, ...]) -> list[HealthRow]:
    """Return the rows that are not well: causes first, the rest by grade, the unknown last."""
    found = {row.slug: row for row in (*reasons, *rows)}
    bad = [row for row in found.values() if row.grade is not Grade.HEALTHY]
    return sorted(bad, key=_urgency)


def _urgency(row: HealthRow) -> tuple[bool, int, int]:
    is_unknown = row.grade is Grade.UNKNOWN
    cause = CAUSES.index(row.slug) if row.slug in CAUSES else len(CAUSES)
    return is_unknown, cause, _GRADES.index(row.grade)


def first_place(found: list[HealthRow]) -> Place | None:
    """Return where to look first; None if all is well."""
    return PLACES[found[0].slug] if found else None
