"""A process's connection to PostgreSQL: an engine with one connection, and errors translated.

Works through a transaction-pooling PgBouncer of any version: nothing relies on a session's state.
Statements are prepared only if there is no pooler between us and the server, and only those that
ask for it: where the best plan depends on the parameters, as for a page of stale orders, a cached
plan costs more than it saves.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Connection, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from reconciler.errors import (
    ConfigurationError,
    Problem,
    StatementFailed,
    StoreRefused,
    StoreRejected,
    StoreUnavailable,
)
from reconciler.scope import UNSCOPED, Scope
from reconciler.store.database_url import parse_url, without_secrets

CONNECT_TIMEOUT_SECONDS = 5
UNSENT_DATA_TIMEOUT_MS = 10_000
KEEPALIVE_IDLE_SECONDS = 10
KEEPALIVE_INTERVAL_SECONDS = 5
CANCEL_TIMEOUT_SECONDS = 5.0

LOST_STATEMENT_STATES = frozenset({"0A000", "26000"})
"""A prepared statement's columns have changed types, or the session has lost the statement."""

_INSUFFICIENT_PRIVILEGE = "42501"
# A policy's WITH CHECK; RAISE in PL/pgSQL.
_ROW_REFUSALS = frozenset({"ExecWithCheckOptions", "exec_stmt_raise"})
_NO_SUCH_TABLE = "42P01"
# A column or a type is gone, or has changed.
_SCHEMA_CHANGED = ("42703", "42704", "42804")
_READ_ONLY = "25006"
# Read-only (a standby, or a primary that became one), or ended by a timeout: no order's fault.
_TRANSACTION_STATE = "25"
_SYNTAX_OR_ACCESS = "42"
# Disk full, out of memory, a failing disk: the same for every row.
_WHOLE_SERVER = ("53", "58")
# libpq gives no SQLSTATE for a refused connection: the server's words are all there is.
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password")


@dataclass(slots=True)
class _Checkout:
    """The connection in use, and since when. `connection` is None while it connects."""

    since: float
    connection: psycopg.Connection[object] | None = None


class Database:
    """The database of a URL. Connects when first used, and again after a lost connection."""

    def __init__(
        self,
        url: str,
        *,
        role: str,
        scope: Scope = UNSCOPED,
        must_write: bool = False,
        only_reads: bool = False,
    ) -> None:
        """Prepare for `url`; `role` and `scope` are shown in pg_stat_activity.

        With `must_write`, and a URL that has several hosts or addresses, only a host that can be
        written to is used, unless the URL has its own `target_session_attrs`. With `only_reads`,
        every transaction is READ ONLY: PostgreSQL itself refuses each write.

        Raises:
            ConfigurationError: the URL is not a PostgreSQL URL.
        """
        self._url = parse_url(url)
        self._only_reads = only_reads
        self._checkout: _Checkout | None = None
        self._is_read_only = False
        host_options = {"target_session_attrs": "read-write"} if must_write else {}
        self._engine = create_engine(
            self._url,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            # Otherwise each new connection asks for a type that we do not use.
            use_native_hstore=False,
            # Sent with every BEGIN: a locked row must be read as it is then, and the database's
            # default could be an older snapshot.
            isolation_level="READ COMMITTED",
            execution_options={"postgresql_readonly": True} if only_reads else {},
            connect_args={
                **{
                    name: value
                    for name, value in host_options.items()
                    if name not in self._url.query
                },
                "application_name": " ".join(filter(None, ("reconciler", role, scope))),
                # Otherwise we could not send characters that the database's encoding lacks, and
                # PostgreSQL could not refuse them.
                "client_encoding": "utf8",
                "prepare_threshold": _NO_AUTO_PREPARE,
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "tcp_user_timeout": UNSENT_DATA_TIMEOUT_MS,
                "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
                "keepalives_interval": KEEPALIVE_INTERVAL_SECONDS,
            },
        )
        event.listen(self._engine, "connect", _disable_prepare_behind_pooler)

    @property
    def address(self) -> str:
        """The URL without its secrets, for messages."""
        return without_secrets(self._url)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction: commit at its end, roll back on an exception.

        Raises:
            StoreUnavailable: the database did not answer or ended the session.
            ConfigurationError: it refuses us: credentials, privileges, database name.
        """
        with self.connection() as connection, connection.begin():
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Run the block with each statement in its own transaction: for single reads.

        With `only_reads` the block has one transaction, since only a transaction can be READ ONLY.

        Raises:
            StoreUnavailable, ConfigurationError: as `transaction`.
        """
        if self._only_reads:
            with self.transaction() as connection:
                yield connection
            return
        with self.connection() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Provide a connection without a transaction: the block commits as it goes.

        Raises:
            StoreUnavailable, ConfigurationError: as `transaction`.
        """
        checkout = self._checkout = _Checkout(since=time.monotonic())
        try:
            with self._translating_errors(), self._engine.connect() as connection:
                checkout.connection = connection.connection.driver_connection
                yield connection
        finally:
            self._checkout = None
            self._drop_if_read_only()

    def _drop_if_read_only(self) -> None:
        """Close a session that cannot write: the next one may be able to.

        After a failover the name resolves to another server, and a changed setting applies to new
        sessions only.
        """
        if self._is_read_only:
            self._is_read_only = False
            self._engine.dispose()

    def require_writable(self) -> None:
        """Return if the database answers and, without `only_reads`, can be written to.

        Raises:
            StoreUnavailable, ConfigurationError: as `transaction`; or it is read-only now.
        """
        with self.transaction() as connection:
            statement = select(func.current_setting("transaction_read_only"))
            is_read_only = connection.execute(statement).scalar_one() == "on"
            if is_read_only and not self._only_reads:
                self._is_read_only = True
                raise StoreUnavailable(f"the database {self.address} cannot be written to now")

    @property
    def busy_seconds(self) -> float:
        """The time for which the connection has been in use; 0 while it is not."""
        checkout = self._checkout
        return 0.0 if checkout is None else time.monotonic() - checkout.since

    def cancel(self) -> None:
        """Ask the server to cancel the running statement; return at once. Works from any thread.

        The statement then fails with `StoreUnavailable`. If the server cannot be asked, nothing
        happens.
        """
        checkout = self._checkout
        if checkout is not None and checkout.connection is not None:
            threading.Thread(target=_cancel, args=(checkout.connection,), daemon=True).start()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    @contextmanager
    def _translating_errors(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"the database {self.address} does not answer: our session still waits for it"
            ) from error
        except DBAPIError as error:
            raise _interrupt_before(error) or self._translate(error.orig) or error from error
        except psycopg.Error as error:
            raise _interrupt_before(error) or self._translate(error) or error from error

    def _translate(self, error: BaseException | None) -> Exception | None:
        is_read_only = getattr(error, "sqlstate", None) == _READ_ONLY
        self._is_read_only = is_read_only and not _is_about_a_row(error)
        return _translate(error, self.address)


_NO_AUTO_PREPARE = sys.maxsize
"""The number of runs after which the driver prepares a statement that does not ask for it."""


def _disable_prepare_behind_pooler(connection: psycopg.Connection[Any], _record: object) -> None:
    """Disable prepared statements if a pooler may give the next transaction another session.

    A pooler hands out cancel keys of its own, so the serving process is not the one in the key.
    """
    serving = connection.pgconn.exec_(b"SELECT pg_backend_pid()").get_value(0, 0)
    if serving != str(connection.info.backend_pid).encode():
        connection.prepare_threshold = None


def _interrupt_before(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt that an error follows: a rollback fails if a statement still runs."""
    context = error.__context__
    while context is not None and not isinstance(context, KeyboardInterrupt):
        context = context.__context__
    return context


def _cancel(connection: psycopg.Connection[object]) -> None:
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=CANCEL_TIMEOUT_SECONDS)


def _translate(error: BaseException | None, address: str) -> Exception | None:
    """Classify a driver error by its SQLSTATE; None if only a bug of ours can cause it."""
    sqlstate = getattr(error, "sqlstate", None) or ""
    message = (str(error).strip() or type(error).__name__).splitlines()[0]
    if misconfiguration := _misconfiguration(error, sqlstate, message, address):
        return misconfiguration
    if sqlstate.startswith(_TRANSACTION_STATE) and not _is_about_a_row(error):
        return StoreUnavailable(f"the database {address} cannot be written to now: {message}")
    if sqlstate not in LOST_STATEMENT_STATES:
        if _is_rejection(error, sqlstate):
            return StoreRejected(message)
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return None
        if _is_statement_failure(error, sqlstate):
            return StatementFailed(f"the database did not finish a statement: {message}")
    return StoreUnavailable(f"the database {address} does not answer: {message}")


def _misconfiguration(
    error: BaseException | None, sqlstate: str, message: str, address: str
) -> ConfigurationError | None:
    """Return the error if a person has to fix something in the database or in the settings."""
    if problem := _access_problem(error, sqlstate, message) or _connection_problem(
        error, sqlstate, address
    ):
        return StoreRefused([problem])
    problem = _schema_problem(sqlstate, message)
    return None if problem is None else ConfigurationError([problem])


def _is_statement_failure(error: psycopg.Error, sqlstate: str) -> bool:
    """Return True if only this statement failed: a fatal error would have ended the session.

    What a trigger raises is about its row, whatever SQLSTATE it uses.
    """
    is_error = error.diag.severity_nonlocalized == "ERROR"
    is_of_server = sqlstate.startswith(_WHOLE_SERVER) and not _is_about_a_row(error)
    return is_error and bool(sqlstate) and not is_of_server


def _is_rejection(error: BaseException | None, sqlstate: str) -> bool:
    """Return True if the server refused a row: by a type, a constraint, or a trigger that raised.

    For a trigger the driver raises ProgrammingError or, if the SQLSTATE is the application's own,
    a plain DatabaseError.
    """
    if isinstance(error, psycopg.ProgrammingError):
        is_our_fault = sqlstate.startswith(_SYNTAX_OR_ACCESS) and not _is_about_a_row(error)
        return bool(sqlstate) and not is_our_fault
    return type(error) is psycopg.DatabaseError or isinstance(
        error, psycopg.IntegrityError | psycopg.DataError | psycopg.InternalError
    )


def _is_about_a_row(error: BaseException | None) -> bool:
    """Return True if the server refused one row only: a policy did, or a trigger raised.

    The message is in the server's language, so the function that raised it decides.
    """
    diagnosis = getattr(error, "diag", None)
    return getattr(diagnosis, "source_function", None) in _ROW_REFUSALS


def _access_problem(error: BaseException | None, sqlstate: str, message: str) -> Problem | None:
    """Return the problem if the error means a missing privilege or a table that we cannot see."""
    if sqlstate == _INSUFFICIENT_PRIVILEGE and not _is_about_a_row(error):
        return Problem(
            what=f"the database refuses us a right: {message}",
            hint="run: reconciler check  (it names the GRANT that is missing)",
        )
    # PostgreSQL silently skips a schema whose USAGE was revoked.
    if sqlstate == _NO_SUCH_TABLE:
        return Problem(
            what=f"the database lacks what we need, or we may not see it: {message}",
            hint="run: reconciler check",
        )
    return None


def _schema_problem(sqlstate: str, message: str) -> Problem | None:
    """Return the problem if the error means a changed schema, which no retry can fix."""
    if sqlstate in _SCHEMA_CHANGED:
        return Problem(
            what=f"the database lacks what we need: {message}", hint="run: reconciler check"
        )
    return None


def _connection_problem(error: BaseException | None, sqlstate: str, address: str) -> Problem | None:
    """Return the problem if the server refused the connection."""
    if sqlstate or not any(refusal in str(error) for refusal in _REFUSALS):
        return None
    return Problem(
        what=f"the database {address} refuses us: {str(error).strip().splitlines()[0]}",
        hint="correct user, password or name in DATABASE_URL",
    )
