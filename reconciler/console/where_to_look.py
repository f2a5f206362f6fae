"""Whose fault it is: where a person looks first, for each reason of the verdict. Pure.

The verdict names causes before symptoms (`telemetry.health.causes`), and so do the pages.
"""

from enum import StrEnum

from reconciler.telemetry.health import Grade, HealthRow, Slug, causes_first


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


def troubles(rows: tuple[HealthRow, ...], reasons: tuple[HealthRow, ...]) -> list[HealthRow]:
    """Return the rows that are not well: the reasons of the verdict first, the unknown last."""
    rest = [row for row in rows if row.grade is not Grade.HEALTHY and row not in reasons]
    return [*reasons, *causes_first(rest)]


def first_place(found: list[HealthRow]) -> Place | None:
    """Return where to look first; None if all is well."""
    return PLACES[found[0].slug] if found else None
