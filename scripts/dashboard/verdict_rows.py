"""The rows of the verdict on a dashboard: in which order, and what each means when it is bad."""

from reconciler.telemetry.health import CAUSES, Grade, HealthRow, Slug

SYMPTOMS = tuple(slug for slug in Slug if slug not in CAUSES)
"""The rows that `reconciler health` names after the causes: the worst first."""

_MEANINGS = {
    Slug.MODE: "a shadow runs",
    Slug.CONFIGURATION: "a setting is wrong",
    Slug.BREAKERS: "requests failed, shards send none",
    Slug.CYCLE_DURATION: "a cycle took long",
    Slug.DISCREPANCY_RATE: "many rows were wrong",
    Slug.ERRORS: "orders asked for without result",
    Slug.LAST_RUN: "no cycle ends",
    Slug.OLDEST_STALE: "orders wait too long",
    Slug.BACKLOG: "more than the budget can do",
    Slug.HOLDS: "orders wait for a person",
    Slug.OLDEST_HOLD: "waits for a person",
    Slug.PAUSE: "the exchange wants no requests",
    Slug.HALT: "most of a cycle looked wrong, nothing is written",
    Slug.ACCOUNTS: "key or account refused",
    Slug.SHARDS: "parked, their workers kept dying",
    Slug.DATABASE: "away, or it refuses us",
    Slug.EXCHANGE: "its requests fail",
    Slug.SUPERVISOR: "one is gone without a stop",
}

NO_DATA = "supervisor: gone, or its metrics do not arrive"
"""In place of all rows, where nobody sends them any more."""

NONE_IS_BAD = "none is bad"

LEGENDS = {
    slug: f"{HealthRow.of(slug, '', Grade.HEALTHY).name}: {meaning}"
    for slug, meaning in _MEANINGS.items()
}
"""Each row's name for people, as `reconciler health` has it, with what it means if it is bad."""
