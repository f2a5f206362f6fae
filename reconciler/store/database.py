"""One process's way to PostgreSQL: an engine with one connection, and errors in our words.

Works through a transaction-pooling PgBouncer: nothing here relies on session state.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)

from reconciler.errors import ConfigurationError, Problem, StoreRejected, StoreUnavailable

CONNECT_TIMEOUT_SECONDS = 5
UNSENT_DATA_TIMEOUT_MS = 10_000

_INSUFFICIENT_PRIVILEGE = "42501"
# libpq gives no SQLSTATE for a refused connection: the server's words are all there is.
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password")


class Database:
    """The database behind a URL. Connects when first used, and again after a loss."""

    def __init__(self, url: str, *, role: str) -> None:
        """Prepare for `url`; `role` is shown in pg_stat_activity.

        Raises:
            ConfigurationError: the URL is not one of PostgreSQL's.
        """
        self._url = parse_url(url)
        self._engine = create_engine(
            self._url,
            pool_size=1,
            max_overflow=0,
            hide_parameters=True,
            connect_args={
                "application_name": f"reconciler {role}",
                "connect_timeout": CONNECT_TIMEOUT_SECONDS,
                "tcp_user_timeout": UNSENT_DATA_TIMEOUT_MS,
            },
        )

    @property
    def address(self) -> str:
        """The URL without its password, for messages."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction: commit at its end, roll back on an exception.

        Raises:
            StoreUnavailable: the database did not answer or ended the session.
            ConfigurationError: it answered that it will not serve us: credentials, rights, name.
        """
        with self._translated(), self._engine.begin() as connection:
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
        with self._translated(), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _translate(error, self.address) or error from error


def parse_url(url: str) -> URL:
    """Parse a `postgresql://user:password@host:port/name` URL for psycopg.

    Raises:
        ConfigurationError: it is none. The message does not repeat it: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        scheme = "" if parsed is None else f": its scheme is {parsed.drivername!r}"
        raise ConfigurationError(
            [
                Problem(
                    what=f"DATABASE_URL is not a PostgreSQL URL{scheme}",
                    mend="write it as postgresql://user:password@host:5432/name",
                )
            ]
        )
    return parsed.set(drivername="postgresql+psycopg")


def _translate(error: DBAPIError, address: str) -> Exception | None:
    said = str(error.orig).strip()
    if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        return ConfigurationError(
            [
                Problem(
                    what=f"the database refuses us a right: {said.splitlines()[0]}",
                    mend="grant it to our role: see docs/how-to/connect-your-database.md",
                )
            ]
        )
    if (
        isinstance(error, IntegrityError | DataError | InternalError)
        or type(error) is DatabaseError
    ):
        return StoreRejected(said.splitlines()[0])
    if not (error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)):
        return None
    first_line = said.splitlines()[0] if said else type(error.orig).__name__
    if any(refusal in said for refusal in _REFUSALS):
        return ConfigurationError(
            [
                Problem(
                    what=f"the database {address} refuses us: {first_line}",
                    mend="correct user, password or name in DATABASE_URL",
                )
            ]
        )
    return StoreUnavailable(f"the database {address} does not answer: {first_line}")
