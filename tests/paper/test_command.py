"""The command `reconciler paper`, and the child process that the demo starts."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner

from reconciler.cli.app import cli
from reconciler.http_server import bind
from reconciler.paper.dialects import NAMES, load_dialect
from reconciler.paper.listing import ListedOrder
from reconciler.paper.market import market_for
from reconciler.paper.process import PaperDidNotStart, PaperProcess
from reconciler.paper.server import url_of

COMMAND = [
    sys.executable,
    "-c",
    "from reconciler.cli.paper import paper_command; paper_command()",
]
JWT_SECRET = "the secret of the tokens, at least 32 bytes"
SECONDS = 300


@pytest.fixture(scope="module")
def paper() -> Iterator[PaperProcess]:
    with PaperProcess(
        command=COMMAND,
        jwt_secret=JWT_SECRET,
        options=["--orders", "300", "--symbols", "3", "--seed", "5", "--weight-limit", "1000000"],
    ) as process:
        yield process


@pytest.fixture
def started() -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen(  # noqa: S603  # our own command
        [*COMMAND, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    yield child
    child.kill()
    child.communicate()


def ready_line(child: "subprocess.Popen[str]") -> dict[str, object]:
    assert child.stdout is not None
    ready: dict[str, object] = json.loads(child.stdout.readline())
    return ready


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_child_is_seeded_by_its_options_and_lists_every_order(paper: PaperProcess) -> None:
    listed = list(paper.orders())

    assert len(listed) == 300
    assert all(isinstance(order, ListedOrder) for order in listed)
    assert paper.get_order(listed[0].symbol, listed[0].order_id) == listed[0]


def test_child_accepts_its_own_tokens_until_they_expire(paper: PaperProcess) -> None:
    def ask(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{paper.url}/api/v3/account"
        return httpx.get(url, headers=headers, trust_env=False).status_code

    assert ask(paper.mint_token()) == 200
    assert ask(paper.mint_token(lifetime=timedelta(seconds=-1))) == 401


def test_child_accepts_orders_faults_and_advance(paper: PaperProcess) -> None:
    placed = paper.place_order(symbol="ETHUSDT", order_id=7, status="NEW")
    paper.remove_order("ETHUSDT", 7)
    paper.set_faults(route="ping", disconnect_rate=1)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{paper.url}/api/v3/ping", trust_env=False)
    paper.clear_faults()

    assert placed.order_id == 7
    assert all(order.order_id != 7 for order in paper.orders())
    assert paper.advance_orders(100) > 0
    assert paper.stats()["rejected"]["disconnected"] == 1
    with pytest.raises(ValueError, match="choose"):
        paper.set_faults(route="nowhere")


def test_child_accepts_a_timeline_and_lists_its_requests(paper: PaperProcess) -> None:
    before = paper.stats()["requests"].get("ping", 0)
    known = max((request.number for request in paper.requests()), default=0)
    paper.set_timeline([{"at_seconds": 0, "faults": {"maintenance_rate": 1, "for_requests": 1}}])

    answers = [httpx.get(f"{paper.url}/api/v3/ping", trust_env=False) for _ in range(2)]

    asked = list(paper.requests(after=known))
    assert [answer.status_code for answer in answers] == [503, 200]
    assert [(request.route, request.status) for request in asked] == [
        ("ping", "503"),
        ("ping", "200"),
    ]
    assert paper.stats()["requests"]["ping"] == before + 2


@pytest.mark.parametrize("name", NAMES)
def test_child_speaks_the_dialect_and_accepts_the_key_that_it_is_given(name: str) -> None:
    dialect = load_dialect(name)

    with PaperProcess(dialect=name, key=dialect.new_key(), command=COMMAND) as process:
        process.seed(orders=2, symbols=1)
        answer = httpx.get(f"{process.url}{dialect.public_path}", trust_env=False)
        rows = [(order.row_symbol, order.row_order_id) for order in process.orders()]
        numbers = [order.order_id for order in process.orders()]

    assert answer.status_code == 200
    assert rows == [
        (dialect.symbol(market_for("BTCUSDT")), dialect.order_id(number)) for number in numbers
    ]


def test_unknown_dialect_ends_with_code_78_and_the_nearest_name() -> None:
    ended = CliRunner().invoke(cli, ["paper"], env={"PAPER_DIALECT": "coinbse"})

    assert ended.exit_code == 78
    assert "no dialect 'coinbse': choose coinbase" in ended.output


def test_a_dialect_without_a_passphrase_refuses_one_with_code_78() -> None:
    options = ["--api-key", "k", "--api-secret", "s", "--api-passphrase", "p"]

    ended = CliRunner().invoke(cli, ["paper", *options])

    assert ended.exit_code == 78
    assert "no passphrase" in ended.output


def test_child_shows_no_secret_on_its_command_line(paper: PaperProcess) -> None:
    assert JWT_SECRET not in " ".join(paper._command)


def test_child_ends_with_code_0_at_the_end_of_the_block() -> None:
    process = PaperProcess(command=COMMAND)

    with process:
        assert is_running(process.pid)

    assert process.exit_code == 0
    assert not is_running(process.pid)


def test_a_request_that_is_cut_off_at_the_end_leaves_no_traceback() -> None:
    child = subprocess.Popen(  # noqa: S603  # our own command
        [*COMMAND, "--port", "0", "--json", "--latency-ms", "600000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = str(ready_line(child)["url"])
    address = urlsplit(url)
    with socket.create_connection((str(address.hostname), int(address.port or 0))) as client:
        client.sendall(b"GET /api/v3/time HTTP/1.1\r\nHost: paper\r\n\r\n")
        while not httpx.get(f"{url}/paper/stats", trust_env=False).json()["weight"]:
            pass
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=SECONDS)

    assert child.returncode == 0
    assert "Cancel 1 running task" in err
    assert "Traceback" not in err


def test_child_that_cannot_start_raises_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    process = PaperProcess(command=COMMAND, api_key="a key without its secret")

    with pytest.raises(PaperDidNotStart, match="code 78"), process:
        pass

    assert "give both" in capfd.readouterr().err


def test_child_ends_when_its_parent_is_killed() -> None:
    program = (
        "import signal\n"
        "from reconciler.paper.process import PaperProcess\n"
        f"with PaperProcess(command={COMMAND!r}) as paper:\n"
        "    print(paper.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    parent = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) > 0

    parent.kill()
    # The child inherited our pipe as its standard error: it ends for us when both have died.
    _, stderr = parent.communicate(timeout=SECONDS)

    assert stderr == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_server_with_code_0(
    started: "subprocess.Popen[str]", number: signal.Signals
) -> None:
    ready_line(started)

    started.send_signal(number)

    assert started.wait(SECONDS) == 0


def test_json_output_is_one_line_and_nothing_else(started: "subprocess.Popen[str]") -> None:
    ready = ready_line(started)

    assert set(ready) == {"url", "pid"}
    assert ready["pid"] == started.pid
    assert httpx.get(f"{ready['url']}/api/v3/ping", trust_env=False).status_code == 200
    started.terminate()
    assert started.communicate(timeout=SECONDS)[0] == ""


def test_port_in_use_ends_with_code_69_and_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, ["paper", "--port", str(port)])

    assert result.exit_code == 69
    assert f"port {port} on 127.0.0.1 is already in use" in result.output
    assert "--port" in result.output


def test_address_of_another_machine_ends_with_code_69() -> None:
    result = CliRunner().invoke(cli, ["paper", "--host", "192.0.2.1"])

    assert result.exit_code == 69
    assert "--host" in result.output


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "httptools", "jwt"])
def test_missing_extra_ends_with_code_78_and_the_install_command(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None\n{COMMAND[-1]}"

    result = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert result.returncode == 78
    assert "in the folder of the reconciler's checkout, run: scripts/install demo" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--api-key", "alone"], 78, "give both"),
        (["--latency-ms", "1e9"], 78, "latency_ms"),
        (["--orders", "1000000000"], 78, "orders"),
        (["--print-jwt"], 2, "--jwt-secret"),
        (["--error-rate", "2"], 2, "--error-rate"),
    ],
)
def test_invalid_options_end_the_command_at_once(
    arguments: list[str], code: int, message: str
) -> None:
    result = CliRunner().invoke(cli, ["paper", *arguments])

    assert result.exit_code == code
    assert message in result.output


def test_print_jwt_prints_a_token_and_starts_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAPER_JWT_SECRET", JWT_SECRET)

    result = CliRunner().invoke(cli, ["paper", "--print-jwt"])

    assert result.exit_code == 0
    assert result.output.count(".") == 2


def test_help_names_every_environment_variable_and_an_example() -> None:
    result = CliRunner().invoke(cli, ["paper", "--help"])

    assert "PAPER_API_SECRET" in result.output
    assert "PAPER_WEIGHT_LIMIT" in result.output
    assert "curl 'http://127.0.0.1:8900/api/v3/allOrders" in result.output


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="needs IPv6")
def test_ipv6_address_is_written_in_brackets() -> None:
    with bind("::1", 0) as listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_connections_send_short_answers_at_once() -> None:
    with (
        bind("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
