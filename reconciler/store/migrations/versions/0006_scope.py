"""Give each of several programs over one table its own holds, state and record of cycles."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = ("reconciliation_holds", "reconciliation_state", "reconciliation_cycles")


def upgrade() -> None:
    """Add the columns; what there is belongs to the program without a scope.

    A column with a constant default rewrites nothing. The new indexes are built before the old ones
    are dropped. A host with an earlier version goes on to confirm and to change orders; where it
    would put one on hold, or apply the halt, its statement fails.
    """
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN scope text NOT NULL DEFAULT ''")
    op.execute(
        "CREATE UNIQUE INDEX reconciliation_holds_active_in_scope"
        " ON reconciliation_holds (scope, order_id) WHERE resolved_at IS NULL"
    )
    op.execute("DROP INDEX reconciliation_holds_active")
    op.execute(
        "ALTER INDEX reconciliation_holds_active_in_scope RENAME TO reconciliation_holds_active"
    )
    op.execute(
        "ALTER TABLE reconciliation_state DROP CONSTRAINT reconciliation_state_pkey,"
        " ADD CONSTRAINT reconciliation_state_pkey PRIMARY KEY (scope, key)"
    )
    op.execute(
        "CREATE INDEX reconciliation_cycles_finished_in_scope"
        " ON reconciliation_cycles (scope, finished_at)"
    )
    op.execute("DROP INDEX reconciliation_cycles_finished")
    op.execute(
        "ALTER INDEX reconciliation_cycles_finished_in_scope"
        " RENAME TO reconciliation_cycles_finished"
    )


def downgrade() -> None:
    """Drop the columns, and what belongs to programs with a scope: it has no place any more."""
    for table in _TABLES:
        op.execute(f"DELETE FROM {table} WHERE scope <> ''")  # noqa: S608 - our own tables
    # Dropping the column drops the indexes and the key that have it.
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN scope")
    op.execute(
        "CREATE UNIQUE INDEX reconciliation_holds_active ON reconciliation_holds (order_id)"
        " WHERE resolved_at IS NULL"
    )
    op.execute("ALTER TABLE reconciliation_state ADD PRIMARY KEY (key)")
    op.execute("CREATE INDEX reconciliation_cycles_finished ON reconciliation_cycles (finished_at)")
