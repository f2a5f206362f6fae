"""Record the symbol and id that the row had when its order was held: a hold is for that order."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. They are null in older holds, and hosts with an older version keep working.

    Adding a column that may be null rewrites nothing.
    """
    op.execute(
        "ALTER TABLE reconciliation_holds ADD COLUMN held_symbol text,"
        " ADD COLUMN held_external_order_id text"
    )


def downgrade() -> None:
    """Drop the columns."""
    op.execute(
        "ALTER TABLE reconciliation_holds DROP COLUMN held_symbol,"
        " DROP COLUMN held_external_order_id"
    )
