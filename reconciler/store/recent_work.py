"""The work of the last hour, from the record of cycles of all hosts: for the console's overview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from reconciler.scope import Scope

MOST_CYCLES = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class CycleSummary:
    """One cycle; the counts are of orders, except `requests` and `weight`."""

    host: str
    finished_at: datetime
    duration_ms: int
    scanned: int
    discrepancies: int
    errors: int
    held: int
    requests: int
    weight: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MinuteOfWork:
    """What all cycles that ended within a minute did; `minute` is its beginning."""

    minute: datetime
    scanned: int
    discrepancies: int
    errors: int
    slowest_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RecentWork:
    """The work of the last hour.

    Attributes:
        cycles: The last cycles that looked at an order, the newest first; `MOST_CYCLES` at most.
        minutes: The minutes in which a cycle ended, the oldest first.
        transitions: The changes of status by "from.to", the most frequent first.
    """

    cycles: Sequence[CycleSummary]
    minutes: Sequence[MinuteOfWork]
    transitions: Mapping[str, int]


def read_recent_work(connection: Connection, scope: Scope) -> RecentWork:
    """Read the work of the last hour, by the database's clock."""
    given = {"scope": scope, "most": MOST_CYCLES}
    return RecentWork(
        cycles=[CycleSummary(**row) for row in connection.execute(_CYCLES, given).mappings()],
        minutes=[MinuteOfWork(**row) for row in connection.execute(_MINUTES, given).mappings()],
        transitions={row.name: row.orders for row in connection.execute(_TRANSITIONS, given)},
    )


_IN_HOUR = "scope = :scope AND finished_at > now() - interval '1 hour'"

_CYCLES = text(
    f"""
    SELECT host, finished_at, duration_ms, scanned, discrepancies, errors, held, requests, weight
    FROM reconciliation_cycles WHERE {_IN_HOUR} AND scanned > 0
    ORDER BY finished_at DESC LIMIT :most
    """  # noqa: S608 - put together from constants
)
_MINUTES = text(
    f"""
    SELECT date_trunc('minute', finished_at) AS minute, sum(scanned) AS scanned,
        sum(discrepancies) AS discrepancies, sum(errors) AS errors, max(duration_ms) AS slowest_ms
    FROM reconciliation_cycles WHERE {_IN_HOUR}
    GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - put together from constants
)
_TRANSITIONS = text(
    f"""
    SELECT changed.name, CAST(sum(changed.count::bigint) AS bigint) AS orders
    FROM reconciliation_cycles, jsonb_each_text(transitions) AS changed (name, count)
    WHERE {_IN_HOUR}
    GROUP BY 1 ORDER BY 2 DESC, 1
    """  # noqa: S608 - put together from constants
)
