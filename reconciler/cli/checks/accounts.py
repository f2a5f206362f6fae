"""Check of whose the rows are: a program asks with one key, at one exchange.

It needs a column that says so, which the configuration file names.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.config_file.document import nearest_name, shown
from reconciler.config_file.orders import PAPER, NamedColumn, exchange_in_rows
from reconciler.config_file.toml_values import value_text
from reconciler.errors import ConfigurationError, Problem, ReconcilerError
from reconciler.store.best_effort import fetch_before_timeout
from reconciler.store.column_types import INTEGERS
from reconciler.store.columns import read_columns
from reconciler.store.database import Database
from reconciler.store.open_counts import OpenCounts, count_open_orders
from reconciler.store.user_table import UserTable, literal, pyformat, quoted

CHECK = "accounts"
MAX_NAMED = 5
MAX_VALUE_LENGTH = 40
_TOO_LONG = "the open orders can be counted: it took too long"


def check_accounts(
    database: Database, table: UserTable, of_every_exchange: UserTable, exchange: str
) -> CheckResult:
    """Count the open orders by exchange and by account, where a column has it.

    `table` has the rows of `exchange` only; `of_every_exchange` has those that the file's own
    filter takes.
    """
    columns = table.config.columns
    try:
        with database.transaction() as connection:
            if isinstance(columns.exchange, NamedColumn) and exchange != PAPER:
                found = _check_exchange(connection, table, of_every_exchange, exchange)
                if found is not None:
                    return found
            if isinstance(columns.account, NamedColumn):
                return _check_account(connection, table, of_every_exchange, columns.account.name)
    except ReconcilerError as error:
        return failed(CHECK, error)
    return passed(CHECK, "one account at one exchange")


def skip_accounts(until: str) -> CheckResult:
    """Return the skipped result."""
    return skipped(CHECK, until)


def _check_exchange(
    connection: Connection, table: UserTable, of_every_exchange: UserTable, exchange: str
) -> CheckResult | None:
    """Return a problem if other exchanges have open orders, and this one has no row at all."""
    (column,) = table.columns_of("exchange")
    counts = count_open_orders(connection, of_every_exchange, quoted(column))
    if counts is None:
        return skipped(CHECK, _TOO_LONG)
    wanted = exchange_in_rows(exchange)
    values = [value for value in counts.by_value if value is not None]
    if not counts.by_value or any(value.strip().lower() == wanted for value in values):
        return None
    statement = pyformat(f"SELECT EXISTS (SELECT FROM {table.rows})")  # noqa: S608 - quoted, or checked with the configuration file
    any_row = fetch_before_timeout(connection, statement, {})
    if any_row is None or any_row[0][0]:
        return None
    nearest = nearest_name(wanted, values) or next(iter(values), "...")
    condition = f"{quoted(column)} = {literal(nearest)}"
    problem = Problem(
        what=f"no row has {wanted} in {quoted(column)}, and nothing would be followed: open orders"
        f" have {_named(counts)}",
        hint="set EXCHANGE_NAME to the exchange of these rows; or, if they have another name for"
        " this one, leave exchange out of [orders.columns], and write in reconciler.toml: [orders]"
        f" where = {_where(of_every_exchange, condition)}",
    )
    return failed(CHECK, ConfigurationError([problem]))


def _check_account(
    connection: Connection, table: UserTable, of_every_exchange: UserTable, column: str
) -> CheckResult:
    """Return a warning if the open orders are of several accounts."""
    counts = count_open_orders(connection, table, quoted(column))
    if counts is None:
        return skipped(CHECK, _TOO_LONG)
    if len(counts.by_value) <= 1:
        return passed(CHECK, f"open orders have {_named(counts)} in {quoted(column)}")
    first = next(value for value in counts.by_value if value is not None)
    is_number = read_columns(connection, table.name)[column].type in INTEGERS
    condition = f"{quoted(column)} = {first if is_number else literal(first)}"
    detail = f"open orders have {len(counts.by_value):,} values in {quoted(column)}"
    problem = Problem(
        what=f"{detail}: {_named(counts)}; this program asks with one key, which sees the orders of"
        " one account",
        hint="run a program for each account, each with its key and, in its reconciler.toml,"
        f" [orders] where = {_where(of_every_exchange, condition)} and a scope of its own",
    )
    return warning(CHECK, detail, [problem])


def _where(table: UserTable, condition: str) -> str:
    """Return the file's filter with a further condition, as TOML writes it."""
    where = table.config.where
    return value_text(condition if where is None else f"({where}) AND {condition}")


def _named(counts: OpenCounts) -> str:
    """Return the values with the number of open orders, the most frequent first."""
    named = [f"{_value(one)} ({orders:,})" for one, orders in _first(counts.by_value).items()]
    left = len(counts.by_value) - len(named)
    text = ", ".join([*named, f"and {left:,} more"] if left else named) or "nothing"
    return f"{text}, among the first {counts.orders:,}" if counts.is_partial else text


def _first(counts: Mapping[str | None, int]) -> Mapping[str | None, int]:
    return dict(list(counts.items())[:MAX_NAMED])


def _value(value: str | None) -> str:
    if value is None:
        return "NULL"
    short = value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}..."
    return short if short.isalnum() else shown(short)
