"""Does the audit trail say what the witness saw: every change of ours once, and nothing else?

The application changes the same rows and writes no audit entries: so the trail's entries are
compared with the moves that our own sessions made, and the chain is checked over everybody's moves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

from sqlalchemy import Connection, text

from reconciler.domain.order import Facts
from reconciler.store.activity import ACTION, facts_from_json
from tests.chaos.change_recorder import Key, RecordedChange

OURS = "reconciler"
"""What the names of our sessions begin with."""

Change = tuple[Key, Facts, Facts]

_READ = text(
    "SELECT symbol, external_order_id, details->'from' AS before, details->'to' AS after"
    " FROM activity_log JOIN orders ON orders.id::text = order_id WHERE action = :action"
    " ORDER BY activity_log.id"
)


def read_entries(connection: Connection) -> list[Change]:
    """Read every change that the audit trail tells of."""
    return [
        (
            (row.symbol, row.external_order_id),
            facts_from_json(row.before),
            facts_from_json(row.after),
        )
        for row in connection.execute(_READ, {"action": ACTION})
    ]


def broken_chains(moves: Iterable[RecordedChange]) -> Iterator[str]:
    """Describe each move that does not begin where the row's last one ended."""
    by_key: dict[Key, list[RecordedChange]] = {}
    for move in moves:
        by_key.setdefault(move.key, []).append(move)
    for key, chain in by_key.items():
        for earlier, later in pairwise(chain):
            if later.before != earlier.after:
                yield f"{' '.join(key)}: {later.before} does not follow {earlier.after}"


def wrong_entries(moves: Iterable[RecordedChange], entries: Iterable[Change]) -> Iterator[str]:
    """Describe each change of ours without an entry, and each entry too many."""
    made = Counter(
        (move.key, move.before, move.after) for move in moves if move.writer.startswith(OURS)
    )
    told = Counter(entries)
    for (key, before, after), times in (made - told).items():
        yield f"{' '.join(key)}: no entry, {times} times, of {before} -> {after}"
    for (key, before, after), times in (told - made).items():
        yield f"{' '.join(key)}: {times} entries too many of {before} -> {after}"
