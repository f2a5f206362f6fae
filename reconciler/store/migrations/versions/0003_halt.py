"""Rename the halt in `reconciliation_state` to the word that every command uses."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_RENAME = "UPDATE reconciliation_state SET key = '{after}' WHERE key = '{before}'"


def upgrade() -> None:
    """Rename an active halt, and the record of the last release."""
    op.execute(_RENAME.format(before="brake", after="halt"))
    op.execute(_RENAME.format(before="brake.last_release", after="halt.last_release"))


def downgrade() -> None:
    """Rename them back."""
    op.execute(_RENAME.format(before="halt", after="brake"))
    op.execute(_RENAME.format(before="halt.last_release", after="brake.last_release"))
