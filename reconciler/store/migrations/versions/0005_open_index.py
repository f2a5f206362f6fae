"""Index the open orders by symbol, without any time, so that a confirm is a HOT update.

`reconciler.store.migrations.upgrade` builds the index itself, after the revisions: it has to look
at each partition, and to build again what was dropped. So only the printed SQL has it here.
"""

from alembic import op

from reconciler.store.open_index import COLUMNS, FORMER_INDEX, OPEN_INDEX

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A name without a schema is looked up in each schema of the search_path.
KEEP_OTHER_INDEXES = f"""
DO $$
DECLARE other record;
BEGIN
    -- Another table may have an index of these names: keep that under another name.
    LOOP
        SELECT i.indexrelid::regclass AS index, c.relname || '_' || i.indrelid AS name INTO other
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indexrelid IN (to_regclass('{OPEN_INDEX}'), to_regclass('{FORMER_INDEX}'))
            AND i.indrelid IS DISTINCT FROM to_regclass('orders');
        EXIT WHEN NOT FOUND;
        EXECUTE 'ALTER INDEX ' || other.index || ' RENAME TO ' || other.name;
    END LOOP;
END $$"""  # noqa: S608 - put together from constants

PRINTED = (
    KEEP_OTHER_INDEXES,
    f"DROP INDEX CONCURRENTLY IF EXISTS {OPEN_INDEX}",
    f"CREATE INDEX CONCURRENTLY {OPEN_INDEX} ON orders {COLUMNS}",
    f"DROP INDEX CONCURRENTLY IF EXISTS {FORMER_INDEX}",
)
"""The statements for a table without partitions. The second drops an interrupted build."""


def upgrade() -> None:
    """Print the statements that build the index and drop the former one."""
    context = op.get_context()
    if context.as_sql:
        with context.autocommit_block():
            for statement in PRINTED:
                op.execute(statement)


def downgrade() -> None:
    """Drop the index without blocking writes. An earlier version's upgrade builds its own."""
    with op.get_context().autocommit_block():
        op.execute(KEEP_OTHER_INDEXES)
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {OPEN_INDEX}")
