"""Index the stale orders, so that finding them costs the same however many have ended."""

from alembic import op

from reconciler.store.stale_index import BUILD, STALE_INDEX, IndexState, read_index_state

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index without blocking writes, unless a person already has."""
    context = op.get_context()
    if not context.as_sql and read_index_state(op.get_bind()) is IndexState.READY:
        return
    with context.autocommit_block():
        for statement in BUILD:
            op.execute(statement)


def downgrade() -> None:
    """Drop the index without blocking writes."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {STALE_INDEX}")
