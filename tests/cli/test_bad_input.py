"""Wrong input gets its exit code and a message that says what to do, never a traceback."""

import os
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping

import psycopg
import pytest

from .conftest import NOWHERE, Invoke, RunCommand, url_as

EVERY_DATABASE_COMMAND = pytest.mark.parametrize(
    "command",
    [
        ["run", "--once"],
        ["run"],
        ["db", "upgrade"],
        ["db", "current"],
        ["explain", "1"],
        ["audit", "1"],
    ],
    ids=" ".join,
)
URL_FORM = "  hint: write it as postgresql://user:password@host:5432/name\n"


@EVERY_DATABASE_COMMAND
def test_a_missing_database_url_is_exit_code_78(invoke: Invoke, command: list[str]) -> None:
    result = invoke(*command)

    assert result.exit_code == 78
    assert result.stdout == ""
    assert result.stderr == (
        "error: DATABASE_URL is not set\n"
        "  hint: export DATABASE_URL=postgresql://user:password@host:5432/name\n"
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:secret-word@127.0.0.1/trading", ": its scheme is 'mysql'"),
        ("trading", ""),
        ("postgresql:/nowhere", ""),
        ("postgresql://me:secret-word@127.0.0.1:port/trading", ""),
    ],
    ids=["another database's", "no URL", "a slash short", "a port that is none"],
)
@EVERY_DATABASE_COMMAND
def test_a_url_of_another_kind_is_code_78_and_not_repeated(
    invoke: Invoke, command: list[str], url: str, message: str
) -> None:
    result = invoke(*command, DATABASE_URL=url)

    assert result.exit_code == 78
    assert result.stderr == f"error: DATABASE_URL is not a PostgreSQL URL{message}\n{URL_FORM}"


@EVERY_DATABASE_COMMAND
def test_a_refused_connection_is_code_69(invoke: Invoke, command: list[str]) -> None:
    url = "postgresql://me:secret-word@127.0.0.1:1/trading"

    result = invoke(*command, DATABASE_URL=url)

    assert result.exit_code == 69
    assert "error: the database postgresql://me:***@127.0.0.1:1/trading" in result.stderr
    assert "Connection refused" in result.stderr
    assert "hint: check that PostgreSQL runs" in result.stderr
    assert "secret-word" not in result.stderr


def test_an_unknown_host_is_code_69_and_is_named(invoke: Invoke) -> None:
    result = invoke("run", "--once", DATABASE_URL="postgresql://me@no-such-host.invalid/trading")

    assert result.exit_code == 69
    assert "no-such-host.invalid" in result.stderr
    assert "host and port in DATABASE_URL" in result.stderr


def test_a_missing_database_is_code_78_and_named(invoke: Invoke, postgres_url: str) -> None:
    url = postgres_url.replace("/postgres?", "/no_such_database?")

    result = invoke("run", "--once", DATABASE_URL=url)

    assert result.exit_code == 78
    assert 'database "no_such_database" does not exist' in result.stderr
    assert "hint: correct user, password or name in DATABASE_URL" in result.stderr


def test_a_wrong_password_is_code_78_and_is_not_shown(
    invoke: Invoke, database_url: str, as_role: Callable[..., str]
) -> None:
    role = as_role().split("//")[1].partition(":")[0]

    result = invoke("run", "--once", DATABASE_URL=url_as(database_url, role, "wrong-word"))

    assert result.exit_code == 78
    assert "password authentication failed" in result.stderr
    assert "wrong-word" not in result.stderr


@pytest.mark.parametrize(
    ("damage", "what", "hint"),
    [
        ("DROP TABLE orders", "table orders is missing", "reconciler db upgrade --with-orders"),
        (
            "ALTER TABLE orders DROP COLUMN last_synced_at",
            "column orders.last_synced_at is missing",
            "run: reconciler db upgrade --side-table",
        ),
        (
            "DROP INDEX reconciler_open_orders",
            "index reconciler_open_orders on orders is missing",
            "run: reconciler db upgrade",
        ),
        (
            "DROP TABLE reconciliation_holds",
            "table reconciliation_holds is missing",
            "run: reconciler db upgrade",
        ),
    ],
    ids=["table", "column", "index", "our table"],
)
def test_a_missing_part_is_code_78_and_named_with_its_hint(
    run: RunCommand, database_url: str, damage: str, what: str, hint: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(damage.encode())

    result = run("run", "--once", DATABASE_URL=database_url)

    assert result.returncode == 78
    assert what in result.stderr
    assert hint in result.stderr


def test_an_unknown_exchange_is_code_78_and_the_known_ones_are_listed(
    invoke: Invoke, ready_database_url: str
) -> None:
    result = invoke("run", "--once", DATABASE_URL=ready_database_url, EXCHANGE_NAME="mtgox")

    assert result.exit_code == 78
    assert result.stderr.startswith("error: EXCHANGE_NAME is 'mtgox', which this version cannot")
    assert "hint: set EXCHANGE_NAME to one of: paper, binance, bybit, okx" in result.stderr


@EVERY_DATABASE_COMMAND
def test_nonsense_in_the_environment_is_named_all_at_once(
    invoke: Invoke, command: list[str]
) -> None:
    result = invoke(
        *command,
        RECONCILIATION_SHARDS="none",
        RECONCILIATION_RATE_SHARE="2",
        RECONCILIATION_STALE_MINUTES="-1",
        LOG_LEVEL="loud",
    )

    names = [line.split()[1] for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.exit_code == 78
    assert sorted(name.rstrip(":") for name in names) == [
        "LOG_LEVEL",
        "RECONCILIATION_RATE_SHARE",
        "RECONCILIATION_SHARDS",
        "RECONCILIATION_STALE_MINUTES",
    ]
    assert result.stderr.count("  hint: set ") == len(names)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EXCHANGE_API_KEY", "a key with blanks"),
        ("TEST_JWT", "a token\nwith a line break"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_named_and_not_shown(
    invoke: Invoke, ready_database_url: str, variable: str, value: str
) -> None:
    environment = {"EXCHANGE_API_SECRET": "s3cret", variable: value}

    result = invoke(
        "check", DATABASE_URL=ready_database_url, EXCHANGE_BASE_URL=NOWHERE, **environment
    )

    assert result.exit_code == 78
    assert f"exchange: {variable} holds a blank, a line break" in result.stdout
    assert value not in result.output


def test_a_demo_without_room_is_code_78_and_leaves_nothing(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: "os.PathLike[str]"
) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - what shutil itself returns
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(2**30, 2**30 - 2**20, 2**20))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    result = invoke("demo")

    assert result.exit_code == 78
    assert result.stderr == (
        f"error: {tmp_path} has 1 MB free, a demo with 2,000 orders needs 304\n"
        "  hint: make room, ask for fewer --orders, or set TMPDIR to a folder on a larger disk\n"
    )
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - the shortest way to ask


def test_a_demo_too_large_for_the_disk_is_refused_at_once(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024 - what shutil itself returns
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(2**33, 2**33 - 2**30, 2**30))

    result = invoke("demo", "--orders", "5000000")

    assert result.exit_code == 78
    assert "has 1,024 MB free, a demo with 5,000,000 orders needs 12,220" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["demo", "--orders", "0"], ["demo", "--symbols", "x"], ["demo", "--orders", "9999999999"]],
    ids=" ".join,
)
def test_an_impossible_size_of_a_demo_is_a_usage_error(
    invoke: Invoke, arguments: list[str]
) -> None:
    result = invoke(*arguments)

    assert result.exit_code == 2
    assert f"Invalid value for '{arguments[1]}'" in result.stderr


def test_no_bad_input_shows_a_traceback_in_a_process_of_its_own(run: RunCommand) -> None:
    finished = run("run", "--once", DATABASE_URL="postgresql://me@127.0.0.1:1/trading")

    assert finished.returncode == 69
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert finished.stderr.count("\n  hint: ") == 1


@pytest.fixture
def silent_server() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    import socket  # noqa: PLC0415 - for this fixture only

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let new processes obey INT, which a shell makes its background jobs ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_while_waiting_is_one_line_and_code_130(
    silent_server: str, ready_database_url: str, tmp_path: "os.PathLike[str]"
) -> None:
    environment: Mapping[str, str] = {
        **os.environ,
        "DATABASE_URL": ready_database_url,
        "EXCHANGE_BASE_URL": silent_server,
    }
    command = [sys.executable, "-m", "reconciler", "check"]
    with subprocess.Popen(  # noqa: S603  # our own command
        command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert first == "checking settings, database and exchange ...\n"
    assert rest == "interrupted\n"
    # Python dies of the signal itself, which a shell reports as 130 too, when it struck inside a
    # piece of code that is compiled from a string, as the standard library's imports do.
    assert process.returncode in {130, -signal.SIGINT}
