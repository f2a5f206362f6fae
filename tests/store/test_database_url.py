"""A URL that psql accepts is accepted, and its secrets are never shown."""

from collections.abc import Iterator
from contextlib import ExitStack
from socket import socket

import pytest
from sqlalchemy import create_engine, text

from reconciler.embedded import embedded_postgres
from reconciler.errors import ConfigurationError, StoreUnavailable
from reconciler.store.database import Database
from reconciler.store.database_url import parse_url, without_secrets

from ..e2e.proxy import DatabaseProxy  # noqa: TID252 - tests are no package

PASSWORD = "hunter2-with-teeth"


def parameters_of(url: str) -> dict[str, object]:
    """Return the parameters that the driver gets."""
    engine = create_engine(parse_url(url))
    _, parameters = engine.dialect.create_connect_args(engine.url)
    engine.dispose()
    return {name: str(value) for name, value in parameters.items() if name != "context"}


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://a:pw@db/x", "db", None),
        ("postgresql://a:pw@db:5433/x", "db", "5433"),
        ("postgresql://a:pw@h1:5433,h2:5434/x", "h1,h2", "5433,5434"),
        ("postgresql://a:pw@h1,h2:5434/x", "h1,h2", ",5434"),
        ("postgresql://a:pw@h1,h2,h3/x", "h1,h2,h3", None),
        ("postgresql+psycopg://a:pw@h1:1,h2:2/x", "h1,h2", "1,2"),
        ("postgres://a:pw@h1:1,h2:2/x", "h1,h2", "1,2"),
        ("postgresql://a:pw@[::1]:5433/x", "::1", "5433"),
        ("postgresql://a:pw@[::1]:5433,[fe80::1]:5434/x", "::1,fe80::1", "5433,5434"),
        ("postgresql://a:pw@%2Fvar%2Frun/x", "/var/run", None),
        ("postgresql://a:pw@/x?host=/var/run/postgresql&port=5433", "/var/run/postgresql", "5433"),
        ("postgresql://a:pw@%2Frun%2Fa,%2Frun%2Fb:7/x", "/run/a,/run/b", ",7"),
        ("postgresql://a:pw@/x?host=h1,h2&port=1,2", "h1,h2", "1,2"),
    ],
)
def test_hosts_and_ports_are_read_as_psql_reads_them(url: str, host: str, port: str | None) -> None:
    found = parameters_of(url)

    ports = str(found.get("port", ""))
    assert (found["host"], ports if ports.strip(",") else None) == (host, port)
    assert (found["user"], found["password"], found["dbname"]) == ("a", "pw", "x")


@pytest.mark.parametrize(
    ("password", "meant"),
    [("p%40w%2F%25", "p@w/%"), ("p/w", "p/w"), ("p#w", "p#w"), ("1/2", "1/2"), ("p%zzw", "p%zzw")],
)
def test_a_password_may_have_any_character(password: str, meant: str) -> None:
    found = parameters_of(f"postgresql://app:{password}@db:5432/x")

    assert (found["password"], found["host"], found["port"]) == (meant, "db", "5432")


def test_parameters_and_a_service_reach_the_driver() -> None:
    found = parameters_of(
        "postgresql://h1:1,h2:2/x?target_session_attrs=read-write&sslmode=require"
    )
    service = parameters_of("postgresql:///?service=trading")

    assert (found["target_session_attrs"], found["sslmode"]) == ("read-write", "require")
    assert service == {"service": "trading"}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"postgresql://app:{PASSWORD}@db:5433/x", "postgresql://app:***@db:5433/x"),
        (
            f"postgresql://app:{PASSWORD}@h1:1,[::1]:2/x?target_session_attrs=read-write",
            "postgresql://app:***@h1:1,[::1]:2/x?target_session_attrs=read-write",
        ),
        (f"postgresql://app@h1,h2:2/x?password={PASSWORD}", "postgresql://app:***@h1,h2:2/x"),
        (
            f"postgresql://app@db/x?sslpassword={PASSWORD}&sslmode=require",
            "postgresql://app@db/x?sslmode=require",
        ),
        ("postgresql://app@%2Fvar%2Frun/x", "postgresql://app@/x?host=/var/run"),
    ],
)
def test_an_address_shows_every_host_and_no_secret(url: str, address: str) -> None:
    assert without_secrets(parse_url(url)) == address


def test_one_port_applies_to_all_hosts_of_a_url() -> None:
    url = parse_url("postgresql://app@/x?host=h1,h2&port=5433")

    assert (url.query["host"], url.query["port"]) == ("h1,h2", "5433,5433")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_url_scheme_is_accepted(scheme: str) -> None:
    url = parse_url(f"{scheme}://app:{PASSWORD}@db:5433/orders")

    assert (url.drivername, url.host, url.port) == ("postgresql+psycopg", "db", 5433)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "orders",
        "h1,h2",
        f"mysql://app:{PASSWORD}@db/orders",
        f"sqlite:///{PASSWORD}.db",
        f"postgresql://app:{PASSWORD}@db:port/orders",
        f"mysql://app:{PASSWORD}@h1:1,h2:2/x",
        f"postgresql://app:{PASSWORD}@h1:one,h2:two/x",
        f"postgresql:/app:{PASSWORD}@h1/x",
        f"postgresql://app:{PASSWORD}@/x?host=h1,h2,h3&port=1,2",
        f"postgresql://app:{PASSWORD}@h1/x?port=1,2",
    ],
)
def test_a_text_that_is_no_url_is_refused_but_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not a PostgreSQL URL") as error:
        parse_url(url)

    assert "postgresql://user:password@host" in str(error.value)
    assert PASSWORD not in str(error.value)


@pytest.fixture(scope="module")
def read_only_url() -> Iterator[str]:
    """A server that can only be read, as a standby."""
    with embedded_postgres(settings={"default_transaction_read_only": "on"}) as url:
        yield url


@pytest.fixture
def ports(postgres_url: str, read_only_url: str) -> Iterator[dict[str, int]]:
    """The ports of a server that can only be read, of one that can be written, and of none."""
    with ExitStack() as stack:
        closed = stack.enter_context(socket())
        closed.bind(("127.0.0.1", 0))
        yield {
            "reads": stack.enter_context(DatabaseProxy(read_only_url)).port,
            "writes": stack.enter_context(DatabaseProxy(postgres_url)).port,
            "gone": closed.getsockname()[1],
        }


def is_read_only(url: str, *, must_write: bool = False) -> str:
    database = Database(url, role="test", must_write=must_write)
    try:
        with database.autocommit() as connection:
            is_read_only: str = connection.execute(text("SHOW transaction_read_only")).scalar_one()
            return is_read_only
    finally:
        database.close()


@pytest.mark.parametrize(
    "hosts", [("reads", "writes"), ("writes", "reads"), ("gone", "reads", "writes")]
)
@pytest.mark.parametrize(
    ("attributes", "must_write", "read_only"),
    [
        ("?target_session_attrs=read-write", False, "off"),
        ("?target_session_attrs=read-only", False, "on"),
        ("?target_session_attrs=read-only", True, "on"),
        ("", True, "off"),
    ],
)
def test_the_writable_host_is_found_among_several(
    hosts: tuple[str, ...],
    attributes: str,
    must_write: bool,  # noqa: FBT001 - a case, not a switch
    read_only: str,
    ports: dict[str, int],
) -> None:
    listed = ",".join(f"127.0.0.1:{ports[host]}" for host in hosts)
    url = f"postgresql://postgres@{listed}/postgres{attributes}"

    assert is_read_only(url, must_write=must_write) == read_only


def test_no_writable_host_means_the_database_is_unavailable(ports: dict[str, int]) -> None:
    url = f"postgresql://postgres@127.0.0.1:{ports['reads']},127.0.0.1:{ports['gone']}/postgres"

    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{ports['gone']}/postgres does not"):
        is_read_only(url, must_write=True)
