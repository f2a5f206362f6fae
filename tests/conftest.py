"""Fixtures for all tests: a PostgreSQL for each test process, a database for each test.

The examples of property tests are the same at every run, so that a failure is caused by the change
and not by chance. For a longer search of new examples:

    HYPOTHESIS_PROFILE=search scripts/test tests/unit/domain --timeout 0
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from reconciler.embedded import embedded_postgres
from reconciler.store import sample_orders
from reconciler.store.database import Database
from tests.databases import Databases, our_ddl

# The databases of the tests need not survive a power cut; other settings are the defaults.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "max_prepared_transactions": "2",
}

# A shell starts its background jobs with Ctrl-C ignored, and all processes started here would
# inherit that.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "search",
    max_examples=5_000,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test process its share of the long tests first.

    pytest-xdist gives each process the same number of tests, in this order; a process that has
    finished later gets half of another's rest, from its end. So a long test in the middle would
    start when all other processes have nearly finished.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes == 1:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    others = (item for item in items if not item.get_closest_marker("long"))
    ordered: list[pytest.Item] = []
    for number in range(processes):
        size = (len(items) - len(ordered)) // (processes - number)
        ordered += islice(chain(long[number::processes], others), size)
    # With few tests, some have no place yet, such as a single long one.
    placed = set(map(id, ordered))
    items[:] = [*ordered, *(item for item in items if id(item) not in placed)]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the developer's own environment and `.env` out of the tests."""
    prefixes = ("RECONCILIATION_", "EXCHANGE_", "STATSD_", "LOG_", "DATABASE_URL", "TEST_JWT")
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test process."""
    with embedded_postgres(settings=FAST) as url:
        yield url


OLDEST = 15
"""The oldest supported PostgreSQL: see docs/how-to/connect-your-database.md."""


def _oldest_binaries() -> Path | None:
    """Return the folder of the oldest PostgreSQL's programs: Debian's, or else the wheel's."""
    folders = [Path(f"/usr/lib/postgresql/{OLDEST}/bin")]
    wheel = find_spec("pgserver")
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@pytest.fixture(scope="session")
def oldest_postgres_url() -> Iterator[str]:
    """A server of the oldest supported PostgreSQL, for this test process."""
    binaries = _oldest_binaries()
    if binaries is None:
        pytest.skip(
            f"there is no PostgreSQL {OLDEST} here: no wheel has it for this Python; on Debian run"
            f" apt-get install postgresql-{OLDEST}"
        )
    with embedded_postgres(settings=FAST, binaries=binaries) as url:
        yield url


@pytest.fixture(scope="session")
def databases(postgres_url: str) -> Iterator[Databases]:
    """The databases of `postgres_url`."""
    with psycopg.connect(postgres_url, autocommit=True) as server:
        yield Databases(server, postgres_url)


@pytest.fixture(scope="session")
def oldest_databases(oldest_postgres_url: str) -> Iterator[Databases]:
    """The databases of `oldest_postgres_url`."""
    with psycopg.connect(oldest_postgres_url, autocommit=True) as server:
        yield Databases(server, oldest_postgres_url)


@pytest.fixture(params=["oldest", "newest"])
def any_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A new database with the sample `orders` and our tables, in each version in turn."""
    name = "oldest_databases" if request.param == "oldest" else "databases"
    yield from _ready(request.getfixturevalue(name))


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A new database with nothing in it."""
    with databases.create() as url:
        yield url


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A new database with the sample `orders` and our tables, empty."""
    yield from _ready(databases)


@pytest.fixture
def new_database_url(databases: Databases) -> Iterator[Callable[[], str]]:
    """Create such a database at each call."""
    with ExitStack() as created:
        create = contextmanager(_ready)
        yield lambda: created.enter_context(create(databases))


@pytest.fixture(scope="module")
def module_database_url(databases: Databases) -> Iterator[str]:
    """The same for all tests of a module, for those that change nothing in it."""
    yield from _ready(databases)


@pytest.fixture(scope="session")
def ready_database_url(databases: Databases) -> Iterator[str]:
    """The same for all tests, for those that only read."""
    yield from _ready(databases)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The store's `Database` for `database_url`."""
    database = Database(database_url, role="test")
    yield database
    database.close()


def _ready(databases: Databases) -> Iterator[str]:
    with databases.create() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"{sample_orders.ORDERS_DDL};{our_ddl()}")
        yield url
