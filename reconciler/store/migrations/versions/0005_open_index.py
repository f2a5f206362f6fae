"""Index the open orders by symbol, without any time, so that a confirm is a HOT update.

`reconciler.store.migrations.upgrade` builds the index itself, after the revisions: it has to look
at each partition, and to build again what was dropped. So only the printed SQL has it here.
"""

from alembic import context, op

from reconciler.store.anonymous_block import anonymous_block
from reconciler.store.open_index import (
    FORMER_INDEX,
    OPEN_INDEX,
    index_comment,
    qualified_index,
)
from reconciler.store.user_table import UserTable, literal, pyformat

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A name without a schema is looked up in each schema of the search_path.
KEEP_OTHER_INDEXES = """
DECLARE other record;
BEGIN
    -- Another table may have an index of these names: keep that under another name.
    LOOP
        SELECT i.indexrelid::regclass AS index, c.relname || '_' || i.indrelid AS name INTO other
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indexrelid IN (to_regclass({index}), to_regclass({former}))
            AND i.indrelid IS DISTINCT FROM to_regclass({table});
        EXIT WHEN NOT FOUND;
        EXECUTE 'ALTER INDEX ' || other.index || ' RENAME TO ' || quote_ident(other.name);
    END LOOP;
END"""


def upgrade() -> None:
    """Print the statements that build the index and drop the former one.

    They are for a table without partitions. The second drops an interrupted build.
    """
    here = op.get_context()
    if not here.as_sql:
        return
    table: UserTable = context.config.attributes["table"]
    index = qualified_index(table, OPEN_INDEX)
    statements = [
        _keep_other_indexes(table),
        f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
        f"CREATE INDEX CONCURRENTLY {OPEN_INDEX} ON {table.name} {table.index_columns}",
        f"DROP INDEX CONCURRENTLY IF EXISTS {qualified_index(table, FORMER_INDEX)}",
    ]
    if comment := index_comment(table):
        statements.append(f"COMMENT ON INDEX {index} IS {literal(comment)}")
    with here.autocommit_block():
        for statement in statements:
            # Not `op.execute`, to which a colon in the user's words is a parameter.
            here.impl.static_output(f"{statement.strip()};")


def downgrade() -> None:
    """Drop the index without blocking writes. An earlier version's upgrade builds its own."""
    table: UserTable = context.config.attributes["table"]
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.exec_driver_sql(pyformat(_keep_other_indexes(table)))
        index = qualified_index(table, OPEN_INDEX)
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY IF EXISTS {pyformat(index)}")


def _keep_other_indexes(table: UserTable) -> str:
    body = KEEP_OTHER_INDEXES.format(
        index=literal(qualified_index(table, OPEN_INDEX)),
        former=literal(qualified_index(table, FORMER_INDEX)),
        table=literal(table.name),
    )
    return anonymous_block(body)
