"""Call the halt of writing by the name that every command uses."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_RENAME = "UPDATE reconciliation_state SET key = '{after}' WHERE key = '{before}'"


def upgrade() -> None:
    """Keep a halt that is active, and who released the last one."""
    op.execute(_RENAME.format(before="brake", after="halt"))
    op.execute(_RENAME.format(before="brake.last_release", after="halt.last_release"))


def downgrade() -> None:
    """Give the rows their former names."""
    op.execute(_RENAME.format(before="halt", after="brake"))
    op.execute(_RENAME.format(before="halt.last_release", after="brake.last_release"))
