"""The control socket of a real supervisor, also with clients that misbehave."""

import asyncio
import json
import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.control import server as server_module
from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.control.handlers import ControlHandlers
from reconciler.control.protocol import MAX_REQUEST_BYTES
from reconciler.control.server import ControlServer
from reconciler.errors import ConfigurationError, NoSupervisor, SocketTaken
from reconciler.scope import UNSCOPED, Scope
from reconciler.supervisor.sharding import Scaling
from reconciler.supervisor.status import OrderLocation, Phase, ShardState, SupervisorStatus
from reconciler.telemetry.health import Grade, Vitals, judge
from reconciler.worker.messages import Ready
from reconciler.workload import Chunk

from ..cli.fake_control_server import a_status  # noqa: TID252 - tests are no package
from .conftest import DEADLINE_SECONDS, Begin, Journal
from .fake_workload import Behaviour, FakeWorkload, Item, Workspace


@pytest.fixture
async def path(
    workspace: Workspace,
    journal: Journal,
    begin: Begin,
    open_gate: Callable[[], None],
    tmp_path: Path,
) -> AsyncIterator[Path]:
    """The socket of a supervisor with two workers, one of them busy with item 0 of COIN0."""
    page = (Chunk(key="COIN0", items=(Item(id=0, acts=(Behaviour.WAIT,)), Item(id=1))),)
    path = tmp_path / "control.sock"
    supervisor, run = begin(
        FakeWorkload(workspace=workspace, pages=(page,)), control_socket=path, batch_size=10
    )
    await journal.wait("begin")
    await supervisor.has_received(Ready, 2)
    yield path
    open_gate()
    await run
    assert not path.exists()


async def ask_path(path: Path, command: str, expected: type[Any], **arguments: Any) -> Any:
    return await asyncio.to_thread(
        lambda: ask(ControlAddress.at(path), command, expected, **arguments)
    )


async def send_bytes(path: Path, sent: bytes) -> dict[str, Any]:
    """Send some bytes; return the response."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1_000_000)
    writer.write(sent)
    answer: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return answer


async def test_status_shows_what_every_shard_is_doing(path: Path) -> None:
    status = await ask_path(path, "status", SupervisorStatus)

    assert status.pid == os.getpid()
    assert (status.shards.desired, status.shards.running, status.shards.parked) == (2, 2, 0)
    assert {worker.state for worker in status.workers} == {ShardState.READY}
    assert sum(worker.buckets for worker in status.workers) == 256
    assert sum(worker.in_flight for worker in status.workers) == 2
    assert all(worker.memory_bytes for worker in status.workers)
    assert status.hottest[0].key == "COIN0"


async def test_locate_tells_which_worker_has_an_item(path: Path) -> None:
    held = await ask_path(path, "locate", OrderLocation, key="COIN0", id="1")
    unknown = await ask_path(path, "locate", OrderLocation, key="COIN0", id="77")

    assert held.in_flight_in == held.shard
    assert held.in_flight_seconds >= 0
    assert unknown.in_flight_in is None
    assert not unknown.is_queued


async def test_health_is_judged_from_the_supervisors_snapshot(path: Path) -> None:
    verdict = judge(await ask_path(path, "health", Vitals))

    assert verdict.status is Grade.HEALTHY


async def test_scale_changes_the_number_of_shards_and_a_plan_does_not(path: Path) -> None:
    planned = await ask_path(path, "scale", Scaling, shards=9, plan=True)
    done = await ask_path(path, "scale", Scaling, shards=3)
    status = await ask_path(path, "status", SupervisorStatus)

    assert (planned.before, planned.after) == (2, 9)
    assert (done.before, done.after) == (2, 3)
    assert status.shards.desired == 3


async def test_a_supervisor_that_stops_refuses_to_be_scaled() -> None:
    status = a_status(phase=Phase.DRAINING)
    stopping: Any = SimpleNamespace(snapshot=lambda: SimpleNamespace(status=status))

    with pytest.raises(ConfigurationError, match="the supervisor is stopping"):
        await ControlHandlers(stopping).answer("scale", {"shards": 3})


@pytest.mark.parametrize("shards", [0, -1, 65, 10_000])
async def test_impossible_number_of_shards_is_refused(path: Path, shards: int) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot run .* shards"):
        await ask_path(path, "scale", Scaling, shards=shards)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (b"garbage\n", "this is not a request"),
        (b"\x00\xff\xfe\n", "this is not a request"),
        (b"[]\n", "this is not a request"),
        (b'{"version": 2, "command": "status"}\n', "version 2 is not supported"),
        (b'{"version": 1, "command": "dance"}\n', "there is no command 'dance'"),
        (b'{"version": 1, "command": "scale", "arguments": {"shards": "x"}}\n', "do not fit"),
        (b'{"version": 1, "command": "scale"}\n', "do not fit"),
        (b"x" * (2 * MAX_REQUEST_BYTES), "this is not a request"),
    ],
    ids=["garbage", "binary", "list", "version", "command", "type", "missing", "too long"],
)
async def test_malformed_request_gets_an_error_response(
    path: Path, sent: bytes, error: str
) -> None:
    answer = await send_bytes(path, sent)

    assert error in answer["error"]["what"]
    assert answer["error"]["hint"]
    assert (await ask_path(path, "status", SupervisorStatus)).shards.running == 2


async def test_clients_that_hang_or_hang_up_do_no_harm(path: Path) -> None:
    hanging = []
    for _ in range(30):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(0)
        client.connect(str(path))
        client.send(b'{"version": 1, ')
        hanging.append(client)
    for client in hanging[15:]:
        client.close()
    await asyncio.sleep(0)

    status = await ask_path(path, "status", SupervisorStatus)

    assert status.shards.running == 2
    for client in hanging[:15]:
        client.close()


async def test_socket_file_is_open_to_its_own_user_only(path: Path) -> None:
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600  # noqa: PTH116 - at once


async def respond_with_nothing(_command: str, _arguments: object) -> object:
    return None


async def test_second_supervisor_is_refused_with_pid_of_the_first(path: Path) -> None:
    with pytest.raises(SocketTaken) as refused:
        await ControlServer(ControlAddress.at(path), respond_with_nothing).open()

    assert refused.value.pid == os.getpid()
    assert (await ask_path(path, "status", SupervisorStatus)).pid == os.getpid()


async def test_socket_that_was_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    server = ControlServer(ControlAddress.at(path), respond_with_nothing)
    await server.open()

    assert await ask_path(path, "anything", type(None)) is None
    await server.close()


async def test_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(ConfigurationError, match="others may write there"):
        await ControlServer(ControlAddress.at(folder / "control.sock"), respond_with_nothing).open()


async def test_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="longer than 107 bytes"):
        await ControlServer(ControlAddress.at(tmp_path / ("x" * 108)), respond_with_nothing).open()


def test_client_reports_that_no_supervisor_listens(tmp_path: Path) -> None:
    with pytest.raises(NoSupervisor, match="nothing listens there"):
        ask(ControlAddress.at(tmp_path / "none.sock"), "status", SupervisorStatus)


def test_unanswered_request_at_the_end_is_no_error(tmp_path: Path) -> None:
    errors: list[dict[str, Any]] = []

    async def end_while_asked() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, error: errors.append(error))
        is_asked = asyncio.Event()

        async def respond(*_: object) -> object:
            is_asked.set()
            return await asyncio.Event().wait()

        server = ControlServer(ControlAddress.at(tmp_path / "control.sock"), respond)
        await server.open()
        _, writer = await asyncio.open_unix_connection(str(tmp_path / "control.sock"))
        writer.write(b'{"version": 1, "command": "status"}\n')
        await is_asked.wait()
        await server.close()
        writer.close()

    asyncio.run(end_while_asked())

    assert errors == []


def build_address(*paths: Path) -> ControlAddress:
    """Return the address of a database, with an abstract name that no other test has."""
    return ControlAddress(
        paths=paths,
        is_from_setting=False,
        abstract_name=f"\0test-{os.getpid()}-{paths[0]}"[:100],
    )


async def start_server(address: ControlAddress, answer: str = "here") -> ControlServer:
    async def respond(_command: str, _arguments: object) -> object:
        return answer

    server = ControlServer(address, respond)
    await server.open()
    return server


async def ask_at(address: ControlAddress) -> str:
    return await asyncio.to_thread(lambda: ask(address, "anything", str))


@pytest.fixture
def check_files_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the server check its files all the time."""
    monkeypatch.setattr(server_module, "CHECK_FILES_SECONDS", 0.01)


async def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.usefixtures("check_files_often")
@pytest.mark.parametrize("what", ["socket", "lock", "both", "folder"])
async def test_files_that_a_cleaner_removed_are_made_again(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "temporary"
    path = folder / "control.sock"
    lock = folder / "control.sock.lock"
    server = await start_server(ControlAddress.at(path))
    inode = path.stat().st_ino

    if what == "folder":
        shutil.rmtree(folder)
    for file in {"socket": [path], "lock": [lock], "both": [path, lock]}.get(what, []):
        file.unlink()
    await until(lambda: path.exists() and lock.exists() and path.stat().st_ino != inode)

    assert await ask_at(ControlAddress.at(path)) == "here"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.close()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("is_from_setting", [True, False], ids=["a setting's path", "a database's"])
async def test_second_supervisor_is_refused_even_after_files_were_cleaned(
    tmp_path: Path, *, is_from_setting: bool
) -> None:
    folder = tmp_path / "temporary"
    path = folder / "a.sock"
    address = ControlAddress.at(path) if is_from_setting else build_address(path)
    server = await start_server(address)
    shutil.rmtree(folder)

    with pytest.raises(SocketTaken) as refused:
        await ControlServer(address, respond_with_nothing).open()

    assert refused.value.pid == os.getpid()
    assert not folder.exists()
    assert await ask_at(address) == "here"
    await server.close()


@pytest.mark.usefixtures("check_files_often")
async def test_files_are_touched_so_that_cleaners_leave_them(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    server = await start_server(ControlAddress.at(path))
    files = (path, path.with_name("control.sock.lock"))
    for file in files:
        os.utime(file, (0, 0), follow_symlinks=False)

    await until(lambda: all(file.stat().st_mtime > 0 for file in files))

    await server.close()


async def test_server_removes_only_its_own_files_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    lock = path.with_name("control.sock.lock")
    server = await start_server(ControlAddress.at(path))
    path.unlink()
    lock.unlink()
    another = socket.socket(socket.AF_UNIX)
    another.bind(str(path))
    lock.touch()

    await server.close()

    assert path.exists()
    assert lock.exists()
    another.close()


async def test_command_without_the_setting_finds_the_first_supervisor(
    tmp_path: Path,
) -> None:
    url = f"postgresql://nobody@localhost/{tmp_path.name}"
    first = await start_server(ControlAddress.at(tmp_path / "a.sock", url), "first")
    second = await start_server(ControlAddress.at(tmp_path / "b.sock", url), "second")

    assert await ask_at(ControlAddress.of_database(url)) == "first"
    assert await ask_at(ControlAddress.at(tmp_path / "b.sock", url)) == "second"
    with pytest.raises(SocketTaken):
        await ControlServer(ControlAddress.of_database(url), respond_with_nothing).open()

    await first.close()
    await second.close()


async def test_supervisors_of_several_scopes_run_side_by_side_and_each_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    url = f"postgresql://nobody@localhost/{tmp_path.name}"
    scopes = [UNSCOPED, Scope("binance-7"), Scope("binance-8")]
    addresses = [ControlAddress.of_database(url, scope) for scope in scopes]
    servers = [
        await start_server(address, scope) for address, scope in zip(addresses, scopes, strict=True)
    ]

    assert [await ask_at(address) for address in addresses] == scopes
    assert len({address.path for address in addresses}) == len(scopes)
    assert addresses[0] == ControlAddress.of_database(url)
    with pytest.raises(SocketTaken):
        await ControlServer(addresses[1], respond_with_nothing).open()
    for server in servers:
        await server.close()


async def test_command_without_the_setting_finds_the_supervisor_of_its_own_scope(
    tmp_path: Path,
) -> None:
    url = f"postgresql://nobody@localhost/{tmp_path.name}"
    scopes = [Scope("binance-7"), Scope("binance-8")]
    servers = [
        await start_server(ControlAddress.at(tmp_path / scope, url, scope), scope)
        for scope in scopes
    ]

    found = [await ask_at(ControlAddress.of_database(url, scope)) for scope in scopes]

    assert found == scopes
    for server in servers:
        await server.close()


async def test_folder_of_another_user_is_skipped_for_the_next_one(
    tmp_path: Path,
) -> None:
    squatted = tmp_path / "squatted"
    squatted.mkdir()
    squatted.chmod(0o777)
    good = tmp_path / "good" / "control.sock"
    address = build_address(squatted / "control.sock", good)

    server = await start_server(address)

    assert good.exists()
    assert await ask_at(address) == "here"
    await server.close()


async def test_abstract_name_alone_serves_when_no_folder_is_usable(tmp_path: Path) -> None:
    squatted = tmp_path / "squatted"
    squatted.mkdir()
    squatted.chmod(0o777)
    address = build_address(squatted / "control.sock")

    server = await start_server(address)

    assert list(squatted.iterdir()) == []
    assert await ask_at(address) == "here"
    await server.close()


async def test_command_with_other_variables_finds_the_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://nobody@localhost/{tmp_path.name}"
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    server = await start_server(ControlAddress.of_database(url))
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))

    assert (tmp_path / "reconciler").is_dir()
    assert await ask_at(ControlAddress.of_database(url)) == "here"
    await server.close()


def test_folder_of_the_session_comes_before_the_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    address = ControlAddress.of_database("postgresql://a")

    assert address.path.parent == tmp_path / "reconciler"
    assert address == ControlAddress.of_database("postgresql://a")
    assert address != ControlAddress.of_database("postgresql://b")


def test_refusal_of_a_folder_names_the_setting_that_helps(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)

    with pytest.raises(ConfigurationError) as refused:
        asyncio.run(
            ControlServer(ControlAddress.at(folder / "control.sock"), respond_with_nothing).open()
        )

    assert "RECONCILIATION_CONTROL_SOCKET" in refused.value.problems[0].hint
