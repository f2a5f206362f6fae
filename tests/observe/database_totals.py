"""What our tables say was counted, under the names of the counters."""

from collections.abc import Mapping

from sqlalchemy import Connection, TextClause, text

from reconciler.store.database import Database

ORDERS_AND_REQUESTS = text(
    """
    SELECT
        sum(reconciled) AS "orders.reconciled",
        sum(discrepancies) AS "orders.discrepancies",
        sum(errors) AS "orders.errors",
        sum(held) AS "orders.held",
        sum(skipped_locked) AS "orders.skipped_locked",
        sum(requests) AS "exchange.requests",
        sum(weight) AS "exchange.weight"
    FROM reconciliation_cycles
    """
)
TRANSITIONS_OF_CYCLES = text(
    """
    SELECT 'transitions.' || moved.key, sum(moved.value::int)
    FROM reconciliation_cycles, jsonb_each_text(transitions) AS moved
    GROUP BY 1
    """
)
CHANGES = text(
    """
    SELECT concat_ws('.', 'transitions', details #>> '{from,status}', details #>> '{to,status}'),
        count(*)
    FROM activity_log
    GROUP BY 1
    """
)
HOLDS = text("SELECT coalesce(sum(attempts), 0) FROM reconciliation_holds")


def of_cycles(database: Database) -> Mapping[str, int]:
    """Return the sums over all cycles."""
    with database.autocommit() as connection:
        sums = connection.execute(ORDERS_AND_REQUESTS).mappings().one()
        moves = dict(_pairs(connection, TRANSITIONS_OF_CYCLES))
        return _without_zeros({**sums, **moves})


def of_changes(database: Database) -> Mapping[str, int]:
    """Count the audit trail, which is written with each change."""
    with database.autocommit() as connection:
        changes = dict(_pairs(connection, CHANGES))
    return _without_zeros({**changes, "orders.discrepancies": sum(changes.values())})


def of_holds(database: Database) -> Mapping[str, int]:
    """Count the holds; of one that was made again, only the attempts since it was dismissed."""
    with database.autocommit() as connection:
        return _without_zeros({"orders.held": connection.execute(HOLDS).scalar_one()})


def _pairs(connection: Connection, query: TextClause) -> list[tuple[str, int]]:
    return [(name, count) for name, count in connection.execute(query)]


def _without_zeros(totals: Mapping[str, int]) -> dict[str, int]:
    return {name: int(total) for name, total in totals.items() if total}
