"""Check that the audit trail has every change of ours once, and nothing else.

The application changes the same rows and writes no audit entries. So the entries are compared with
the recorded changes of our own sessions, and the chain of changes with those of all sessions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from sqlalchemy import Connection, text

from reconciler.domain.order import Facts
from reconciler.store.activity import ACTION, facts_from_json
from tests.chaos.change_recorder import Key, RecordedChange

OURS = "reconciler"
"""The beginning of the `application_name` of our sessions."""

AuditedChange = tuple[Key, Facts, Facts]

_READ = text(
    "SELECT symbol, external_order_id, details->'from' AS before, details->'to' AS after"
    " FROM activity_log JOIN orders ON orders.id::text = order_id WHERE action = :action"
    " ORDER BY activity_log.id"
)


def read_entries(connection: Connection) -> list[AuditedChange]:
    """Read every change in the audit trail."""
    return [
        (
            (row.symbol, row.external_order_id),
            facts_from_json(row.before),
            facts_from_json(row.after),
        )
        for row in connection.execute(_READ, {"action": ACTION})
    ]


def broken_chains(changes: Iterable[RecordedChange]) -> Iterator[str]:
    """Describe each change that does not begin where the row's previous change ended."""
    by_key: dict[Key, list[RecordedChange]] = {}
    for change in changes:
        by_key.setdefault(change.key, []).append(change)
    for key, chain in by_key.items():
        for earlier, later in pairwise(chain):
            if later.before != earlier.after:
                yield f"{' '.join(key)}: {later.before} does not follow {earlier.after}"


def wrong_entries(
    changes: Iterable[RecordedChange], entries: Iterable[AuditedChange]
) -> Iterator[str]:
    """Describe each change of ours without an entry, and each superfluous entry."""
    made = Counter(
        (change.key, change.before, change.after)
        for change in changes
        if change.writer.startswith(OURS)
    )
    recorded = Counter(entries)
    for (key, before, after), times in (made - recorded).items():
        yield f"{' '.join(key)}: no entry, {times} times, of {before} -> {after}"
    for (key, before, after), times in (recorded - made).items():
        yield f"{' '.join(key)}: {times} entries too many of {before} -> {after}"
