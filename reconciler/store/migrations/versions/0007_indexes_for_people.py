"""Index what people look at: the latest changes, and the holds by age and by order.

The indexes are built concurrently, so that nothing waits for them. Each build first drops what an
interrupted one has left.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_HOLDS = {
    "reconciliation_holds_age": "reconciliation_holds (scope, first_held_at, id)"
    " WHERE resolved_at IS NULL",
    "reconciliation_holds_order": "reconciliation_holds (order_id)",
}
_LOG = {
    "activity_log_changes": "activity_log (created_at, id) WHERE action = 'reconciliation.update'",
}

# The log may be the application's: its owner may be another role, and it may be partitioned, which
# cannot be indexed concurrently, or a view.
_CAN_INDEX_LOG = """
    SELECT relkind = 'r' AND pg_has_role(relowner, 'USAGE')
    FROM pg_class WHERE oid = to_regclass('activity_log')
"""


def upgrade() -> None:
    """Build the indexes; that of the log only if we may. Nothing but a page is slower without."""
    here = op.get_context()
    with here.autocommit_block():
        can_index_log = here.as_sql or op.get_bind().exec_driver_sql(_CAN_INDEX_LOG).scalar_one()
        for name, columns in (_HOLDS | _LOG if can_index_log else _HOLDS).items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {columns}")


def downgrade() -> None:
    """Drop the indexes."""
    with op.get_context().autocommit_block():
        for name in _HOLDS | _LOG:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
