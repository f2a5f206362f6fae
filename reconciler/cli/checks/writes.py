"""Check that an order can be locked and written: one is tried, and that is undone."""

from sqlalchemy import Connection

from reconciler.cli.checks.preconditions import until_suitable, until_writable
from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.errors import ConfigurationError, Problem
from reconciler.store.best_effort import set_statement_timeout
from reconciler.store.open_index import VIEW, read_kind
from reconciler.store.suitable_index import find_table_scans
from reconciler.store.trial_write import Step, TrialWrite, try_writing
from reconciler.store.user_table import UserTable

CHECK = "writes"
MAX_SECONDS = 3.0


def check_writes(connection: Connection, table: UserTable) -> CheckResult:
    """Lock an open order and write its status to itself, undo that, and say what was refused."""
    if until := until_writable(connection, table) or until_suitable(connection, table):
        return skipped(CHECK, until)
    is_view = read_kind(connection, table) == VIEW
    set_statement_timeout(connection, MAX_SECONDS)
    trial = try_writing(connection, table)
    if trial.is_read_only:
        return skipped(CHECK, "the database can be written to")
    if problem := _problem(table, trial, is_view=is_view):
        return failed(CHECK, ConfigurationError([problem]))
    scanned = find_table_scans(connection, table) if is_view else ()
    if scanned:
        return warning(CHECK, _detail(trial), [_reads_all(table, scanned)])
    return passed(CHECK, _detail(trial))


def _detail(trial: TrialWrite) -> str:
    if trial.step is Step.LOCK:
        return "no open order is there, or free, to try it on"
    return "an open order was locked and written, and that was undone"


def _problem(table: UserTable, trial: TrialWrite, *, is_view: bool) -> Problem | None:
    if trial.refusal is not None:
        return Problem(
            what=f"an order of {table.name} cannot be {trial.step}: {trial.refusal}",
            hint=_VIEW_HINTS[trial.step] if is_view else _TABLE_HINT,
        )
    if trial.step is Step.WRITE and trial.rows == 0:
        return Problem(
            what=f"an update of an order in {table.name} changes no row: a trigger or a rule drops"
            " it",
            hint="let the trigger return NEW for an update that it has carried out",
        )
    return None


def _reads_all(table: UserTable, scanned: tuple[str, ...]) -> Problem:
    return Problem(
        what=f"the open orders of {table.name} are found by reading all rows of"
        f" {' and '.join(scanned)}, in every cycle",
        hint="give the table that has the status an index on it",
    )


_VIEW_HINTS = {
    Step.LOCK: "let the view be of plain rows, without DISTINCT, GROUP BY, UNION and window"
    " functions, or name the table itself in reconciler.toml",
    Step.WRITE: "let the view be of one table, or give it a trigger INSTEAD OF UPDATE that writes"
    " the row and returns NEW",
}
_TABLE_HINT = "let its owner change what refuses this: a trigger, a constraint or a rule"
