"""Keep what the row named when its order was held: a hold ends with its cause."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. What older holds were for is not known, and hosts of an older version go on.

    Adding a column that may be null rewrites nothing.
    """
    op.execute(
        "ALTER TABLE reconciliation_holds ADD COLUMN held_symbol text,"
        " ADD COLUMN held_external_order_id text"
    )


def downgrade() -> None:
    """Drop them."""
    op.execute(
        "ALTER TABLE reconciliation_holds DROP COLUMN held_symbol,"
        " DROP COLUMN held_external_order_id"
    )
