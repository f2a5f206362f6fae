"""Index the open orders by symbol, without any time, so that a confirm is a HOT update.

`reconciler.store.migrations.upgrade` builds the index itself, after the revisions: it has to look
at each partition, and to build again what was dropped. So only the printed SQL has it here.
"""

from alembic import op

from reconciler.store.migrations.indexes import DDL
from reconciler.store.open_index import OPEN_INDEX

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Print the statements that build the index and drop the former one."""
    context = op.get_context()
    if context.as_sql:
        with context.autocommit_block():
            for statement in DDL:
                op.execute(statement)


def downgrade() -> None:
    """Drop the index without blocking writes. An earlier version's upgrade builds its own."""
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {OPEN_INDEX}")
