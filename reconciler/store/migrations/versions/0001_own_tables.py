"""Create the activity log, the holds, the shared state and the record of cycles."""

from alembic import op

from reconciler.domain.decide import HoldReason

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_REASONS = ", ".join(f"'{reason.value}'" for reason in HoldReason)


def upgrade() -> None:
    """Create the tables. An `activity_log` of the application's own is left as it is."""
    op.execute(
        """
        CREATE TABLE IF NOT EXISTS activity_log (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            order_id text NOT NULL,
            action text NOT NULL CHECK (action <> ''),
            details jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute(
        "CREATE INDEX IF NOT EXISTS activity_log_order ON activity_log (order_id, created_at)"
    )
    op.execute(
        f"""
        CREATE TABLE reconciliation_holds (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            order_id text NOT NULL,
            reason text NOT NULL CHECK (reason IN ({_REASONS})),
            detail text NOT NULL,
            attempts integer NOT NULL CHECK (attempts > 0),
            first_held_at timestamptz NOT NULL,
            next_attempt_at timestamptz NOT NULL,
            resolved_at timestamptz,
            resolution text,
            row_facts jsonb NOT NULL,
            report jsonb,
            CHECK ((resolved_at IS NULL) = (resolution IS NULL))
        )
        """
    )
    op.execute(
        "CREATE UNIQUE INDEX reconciliation_holds_active ON reconciliation_holds (order_id)"
        " WHERE resolved_at IS NULL"
    )
    op.execute(
        """
        CREATE TABLE reconciliation_state (
            key text PRIMARY KEY,
            value jsonb NOT NULL,
            changed_at timestamptz NOT NULL,
            changed_by text NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE reconciliation_cycles (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            host text NOT NULL,
            started_at timestamptz NOT NULL,
            finished_at timestamptz NOT NULL CHECK (finished_at >= started_at),
            duration_ms integer NOT NULL CHECK (duration_ms >= 0),
            scanned integer NOT NULL,
            reconciled integer NOT NULL,
            discrepancies integer NOT NULL,
            errors integer NOT NULL,
            held integer NOT NULL,
            skipped_locked integer NOT NULL,
            requests integer NOT NULL,
            weight integer NOT NULL,
            transitions jsonb NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX reconciliation_cycles_finished ON reconciliation_cycles (finished_at)")


def downgrade() -> None:
    """Drop our tables, except the activity log: it is history."""
    op.execute("DROP TABLE reconciliation_cycles")
    op.execute("DROP TABLE reconciliation_state")
    op.execute("DROP TABLE reconciliation_holds")
