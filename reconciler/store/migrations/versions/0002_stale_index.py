"""Index the stale orders, so that finding them costs the same however many have ended."""

from alembic import op

from reconciler.store.tables import OPEN_ORDERS, STALE_INDEX, SYNCED_AT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index without blocking writes; drop first what an interrupted build left."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {STALE_INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {STALE_INDEX} ON orders ({SYNCED_AT}, id)"
            f" WHERE {OPEN_ORDERS}"
        )


def downgrade() -> None:
    """Drop the index without blocking writes."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {STALE_INDEX}")
