"""Index the stale orders: the cost of finding them does not grow with the ended ones."""

from alembic import op

from reconciler.store.stale_index import BUILD_STATEMENTS, STALE_INDEX, IndexState, read_index_state

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index without blocking writes, unless it is there already."""
    context = op.get_context()
    if not context.as_sql and read_index_state(op.get_bind()) is IndexState.READY:
        return
    with context.autocommit_block():
        for statement in BUILD_STATEMENTS:
            op.execute(statement)


def downgrade() -> None:
    """Drop the index without blocking writes."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {STALE_INDEX}")
