"""One process's way to PostgreSQL: an engine with one connection, and errors in our words.

Works through a transaction-pooling PgBouncer of any version: nothing relies on a session's state.
Only where no pooler stands between us and the server may a statement be prepared, and only one that
asks for it is: a plan kept for later costs more than it saves where the best one depends on the
numbers, as for a page of stale orders.
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
from reconciler.store.database_url import parse_url, without_secrets

CONNECT_TIMEOUT_SECONDS = 5
UNSENT_DATA_TIMEOUT_MS = 10_000
SILENCE_BEFORE_PROBE_SECONDS = 10
SILENCE_BETWEEN_PROBES_SECONDS = 5
CANCEL_TIMEOUT_SECONDS = 5.0

UNPREPARED = frozenset({"0A000", "26000"})
"""A prepared statement's columns have other types now; the session has lost the statement."""

_INSUFFICIENT_PRIVILEGE = "42501"
# A policy's WITH CHECK; RAISE in PL/pgSQL.
_ROW_REFUSALS = frozenset({"ExecWithCheckOptions", "exec_stmt_raise"})
_NO_SUCH_TABLE = "42P01"
# A column, a type that is gone or has become another.
_LOST_PARTS = ("42703", "42704", "42804")
_READ_ONLY = "25006"
# Read-only (a standby, or a primary that became one), or ended by a time limit: no order's fault.
_TRANSACTION_STATE = "25"
_SYNTAX_OR_ACCESS = "42"
# No room, no memory, a disk that fails: the same for every row.
_WHOLE_SERVER = ("53", "58")
# libpq gives no SQLSTATE for a refused connection: the server's words are all there is.
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password")


@dataclass(slots=True)
class _Use:
    """A use of the connection that has begun and not ended; no connection while it connects."""

    since: float
    connection: psycopg.Connection[object] | None = None


class Database:
    """The database behind a URL. Connects when first used, and again after a loss."""

    def __init__(self, url: str, *, role: str, must_write: bool = False) -> None:
        """Prepare for `url`; `role` is shown in pg_stat_activity.

        With `must_write`, a session that can only read counts as none: of the hosts or addresses
        behind the URL the one is taken that can be written to, unless the URL itself says which.

        Raises:
            ConfigurationError: the URL is not one of PostgreSQL's.
        """
        self._url = parse_url(url)
        self._use: _Use | None = None
        self._is_read_only = False
        session = {"target_session_attrs": "read-write"} if must_write else {}
        self._engine = create_engine(
            self._url,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            # Said with every BEGIN: the locked row must be read as it is then, and a database's own
            # default could be an older snapshot.
            isolation_level="READ COMMITTED",
            connect_args={
                **{name: value for name, value in session.items() if name not in self._url.query},
                "application_name": f"reconciler {role}",
                # PostgreSQL refuses what the database's encoding lacks; we could not even send it.
                "client_encoding": "utf8",
                "prepare_threshold": _ONLY_WHEN_ASKED,
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "tcp_user_timeout": UNSENT_DATA_TIMEOUT_MS,
                "keepalives_idle": SILENCE_BEFORE_PROBE_SECONDS,
                "keepalives_interval": SILENCE_BETWEEN_PROBES_SECONDS,
            },
        )
        event.listen(self._engine, "connect", _prepare_nothing_behind_a_pooler)

    @property
    def address(self) -> str:
        """The URL without its password, for messages."""
        return without_secrets(self._url)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction: commit at its end, roll back on an exception.

        Raises:
            StoreUnavailable: the database did not answer or ended the session.
            ConfigurationError: it answered that it will not serve us: credentials, rights, name.
        """
        with self.connection() as connection, connection.begin():
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Run the block with every statement a transaction of its own: for single reads.

        Raises:
            StoreUnavailable, ConfigurationError: as `transaction`.
        """
        with self.connection() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend a connection on which no transaction has begun: the block commits as it goes.

        Raises:
            StoreUnavailable, ConfigurationError: as `transaction`.
        """
        use = self._use = _Use(since=time.monotonic())
        try:
            with self._translated(), self._engine.connect() as connection:
                use.connection = connection.connection.driver_connection
                yield connection
        finally:
            self._use = None
            self._drop_if_read_only()

    def _drop_if_read_only(self) -> None:
        """Let go of a session that cannot write: it never will, but the next one may.

        After a failover the name leads to another server; a setting counts for new sessions only.
        """
        if self._is_read_only:
            self._is_read_only = False
            self._engine.dispose()

    def require_writable(self) -> None:
        """Return if the database answers and takes writes.

        Raises:
            StoreUnavailable, ConfigurationError: as `transaction`; or it is read-only now.
        """
        with self.transaction() as connection:
            statement = select(func.current_setting("transaction_read_only"))
            if connection.execute(statement).scalar_one() == "on":
                self._is_read_only = True
                raise StoreUnavailable(f"the database {self.address} cannot be written to now")

    @property
    def busy_seconds(self) -> float:
        """How long the present use of the connection has lasted; 0 while there is none."""
        use = self._use
        return 0.0 if use is None else time.monotonic() - use.since

    def cancel(self) -> None:
        """Ask the server to give up what it is doing for us, from whatever thread, and wait not.

        What is given up ends as `StoreUnavailable`. That the server cannot be asked changes
        nothing.
        """
        use = self._use
        if use is not None and use.connection is not None:
            threading.Thread(target=_cancel, args=(use.connection,), daemon=True).start()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"the database {self.address} does not answer: our session still waits for it"
            ) from error
        except DBAPIError as error:
            raise self._note(error.orig) or error from error
        except psycopg.Error as error:
            raise self._note(error) or error from error

    def _note(self, error: BaseException | None) -> Exception | None:
        is_read_only = getattr(error, "sqlstate", None) == _READ_ONLY
        self._is_read_only = is_read_only and not _is_about_a_row(error)
        return _translate(error, self.address)


_ONLY_WHEN_ASKED = sys.maxsize
"""How often the driver sees a statement before it prepares it of its own accord."""


def _prepare_nothing_behind_a_pooler(connection: psycopg.Connection[Any], _record: object) -> None:
    """Prepare nothing in a session that may be another one for the next transaction.

    A pooler gives its clients keys of its own for their sessions, so that the process that serves
    is another one than the key names.
    """
    serving = connection.pgconn.exec_(b"SELECT pg_backend_pid()").get_value(0, 0)
    if serving != str(connection.info.backend_pid).encode():
        connection.prepare_threshold = None


def _cancel(connection: psycopg.Connection[object]) -> None:
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=CANCEL_TIMEOUT_SECONDS)


def _translate(error: BaseException | None, address: str) -> Exception | None:
    """Return our error for the driver's; None for what only a bug of ours can cause."""
    state = getattr(error, "sqlstate", None) or ""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    if misfit := _misfit(error, state, said, address):
        return misfit
    if state.startswith(_TRANSACTION_STATE) and not _is_about_a_row(error):
        return StoreUnavailable(f"the database {address} cannot be written to now: {said}")
    if state not in UNPREPARED:
        if _is_rejection(error, state):
            return StoreRejected(said)
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return None
        if _is_statement_failure(error, state):
            return StatementFailed(f"the database did not finish a statement: {said}")
    return StoreUnavailable(f"the database {address} does not answer: {said}")


def _misfit(
    error: BaseException | None, state: str, said: str, address: str
) -> ConfigurationError | None:
    """Return what a person has to fix at the database, or in the settings that lead to it."""
    if problem := _missing_right(error, state, said) or _refusal(error, state, address):
        return StoreRefused([problem])
    problem = _missing_part(state, said)
    return None if problem is None else ConfigurationError([problem])


def _is_statement_failure(error: psycopg.Error, state: str) -> bool:
    """Whether the server gave up only this statement: a fatal error would end the session.

    What a trigger raises is of its row, whatever it calls it: perhaps it writes to another server.
    """
    is_error = error.diag.severity_nonlocalized == "ERROR"
    is_of_server = state.startswith(_WHOLE_SERVER) and not _is_about_a_row(error)
    return is_error and bool(state) and not is_of_server


def _is_rejection(error: BaseException | None, state: str) -> bool:
    """Whether the server refused a row: by a type, a constraint, or a trigger that raised.

    The driver takes a trigger's error for one of programming, or, with a SQLSTATE of the
    application's own, for one of no kind.
    """
    if isinstance(error, psycopg.ProgrammingError):
        is_of_ours = state.startswith(_SYNTAX_OR_ACCESS) and not _is_about_a_row(error)
        return bool(state) and not is_of_ours
    is_of_no_kind = type(error) is psycopg.DatabaseError
    return is_of_no_kind or isinstance(
        error, psycopg.IntegrityError | psycopg.DataError | psycopg.InternalError
    )


def _is_about_a_row(error: BaseException | None) -> bool:
    """Whether the server refused one row only: a policy did, or a trigger that says so.

    The server's words are in its own language, so what tells is the function that raised it.
    """
    diagnosis = getattr(error, "diag", None)
    return getattr(diagnosis, "source_function", None) in _ROW_REFUSALS


def _missing_right(error: BaseException | None, state: str, said: str) -> Problem | None:
    """Return what a person has to grant."""
    if state == _INSUFFICIENT_PRIVILEGE and not _is_about_a_row(error):
        return Problem(
            what=f"the database refuses us a right: {said}",
            hint="run: reconciler check  (it names the GRANT that is missing)",
        )
    # A schema whose USAGE was revoked is passed over without a word.
    if state == _NO_SUCH_TABLE:
        return Problem(
            what=f"the database lacks what we need, or we may not see it: {said}",
            hint="run: reconciler check",
        )
    return None


def _missing_part(state: str, said: str) -> Problem | None:
    """Return what has become another, for a SQLSTATE that does not pass by itself."""
    if state in _LOST_PARTS:
        return Problem(
            what=f"the database lacks what we need: {said}", hint="run: reconciler check"
        )
    return None


def _refusal(error: BaseException | None, state: str, address: str) -> Problem | None:
    """Return what a person has to fix where the server refused the connection."""
    if state or not any(refusal in str(error) for refusal in _REFUSALS):
        return None
    return Problem(
        what=f"the database {address} refuses us: {str(error).strip().splitlines()[0]}",
        hint="correct user, password or name in DATABASE_URL",
    )
