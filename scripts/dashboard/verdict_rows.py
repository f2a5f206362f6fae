"""The rows of the verdict on a dashboard: in which order, and what each means when it is bad."""

from reconciler.telemetry.health import CAUSES, Grade, HealthRow, Slug

SYMPTOMS = tuple(slug for slug in Slug if slug not in CAUSES)
"""The rows that `reconciler health` names after the causes: the worst first."""

_MEANINGS = {
    Slug.MODE: "a shadow runs",
    Slug.CONFIGURATION: "a setting is wrong",
    Slug.BREAKERS: "requests failed, none sent",
    Slug.CYCLE_DURATION: "a cycle took long",
    Slug.DISCREPANCY_RATE: "rows were wrong",
    Slug.ERRORS: "asked without result",
    Slug.LAST_RUN: "no cycle ends",
    Slug.OLDEST_STALE: "waits too long",
    Slug.BACKLOG: "more than the budget",
    Slug.HOLDS: "need a person",
    Slug.OLDEST_HOLD: "needs a person",
    Slug.PAUSE: "exchange says wait",
    Slug.HALT: "results look wrong, no writes",
    Slug.ACCOUNTS: "key or account refused",
    Slug.SHARDS: "parked, workers die",
    Slug.DATABASE: "away, or it refuses us",
    Slug.EXCHANGE: "its requests fail",
    Slug.SUPERVISOR: "one is gone",
}

NO_DATA = "supervisor: gone, or its metrics do not arrive"
"""In place of all rows, where nobody sends them any more."""

NONE_IS_BAD = "none is bad"

LEGENDS = {
    slug: f"{HealthRow.of(slug, '', Grade.HEALTHY).name}: {meaning}"
    for slug, meaning in _MEANINGS.items()
}
"""Each row's name for people, as `reconciler health` has it, with what it means if it is bad.

Short: graphite-web makes two columns of a legend of 600 pixels, and cuts off what does not fit.
"""
