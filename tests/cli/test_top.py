"""`reconciler top`: its screen and keys as functions, and the whole on a real terminal."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from reconciler.cli.ui.top_view import Snapshot, ViewOptions, options_after_key, render_screen
from reconciler.health_report import HealthReport, HealthSource
from reconciler.supervisor.status import SupervisorStatus
from reconciler.telemetry.health import HostState, LastHour, Vitals
from tests.terminal import ALTERNATE_SCREEN, Terminal, on_terminal

from .conftest import Invoke
from .fake_control_server import FakeControlServer, a_shard, a_status

BY_QUEUED = b"\x1b[1;7m     v"
"""The mark over the column `queued`, in bold and reversed."""

VITALS = Vitals(
    last_hour=LastHour(scanned=96_000, errors=2, last_run_age_seconds=3, last_duration_ms=2140),
    hosts=(
        HostState(host="trading-1", instance="1", uptime_seconds=600, shards=2, breakers_open=1),
    ),
    open_orders=3000,
    held_orders=12,
    oldest_hold_age_seconds=600,
)


def shown(
    snapshot: Snapshot, options: ViewOptions, *, width: int = 80, height: int = 24
) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width, height=height)
    console.print(render_screen(snapshot, options, width=width, height=height))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def a_snapshot(
    status: SupervisorStatus,
    fault: str | None = None,
    source: HealthSource = HealthSource.SUPERVISOR,
) -> Snapshot:
    return Snapshot(
        status=status, fault=fault, age_seconds=12, health=HealthReport.of(VITALS, source)
    )


@pytest.mark.parametrize("shards", [1, 8, 64])
@pytest.mark.parametrize("height", [3, 6, 10, 24, 50, 120])
@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_the_screen_fits_any_terminal_and_counts_hidden_shards(
    shards: int, height: int, width: int
) -> None:
    workers = [a_shard(number, fault="it is wrong") for number in range(shards)]
    status = a_status(*workers, halted="suspicious")

    lines = shown(a_snapshot(status), ViewOptions(), width=width, height=height)

    rows = [line for line in lines if " ready " in line]
    more = [line for line in lines if line.endswith(" more shards")]
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("CRITICAL breakers: 1 open")
    if height >= 10:
        assert len(lines) == height
        assert lines[-1].lstrip().startswith("s  sort")
        assert bool(rows)
        assert more == ([f"and {shards - len(rows)} more shards"] if len(rows) < shards else [])


def test_sixty_columns_keep_verdict_state_breaker_and_queue() -> None:
    busy = a_shard(
        0, queued=1200, breaker="open", breaker_retry_seconds=119, fault="it answers 503"
    )

    lines = shown(a_snapshot(a_status(busy)), ViewOptions(), width=60)

    texts = [" ".join(line.split()) for line in lines]
    assert lines[0] == "CRITICAL breakers: 1 open"
    assert "shard state queued flight done/s breaker" in texts
    assert "0 ready 1,200 0 100 open 1 min 59 s" in texts
    assert "holds 12 of 3,000 open orders (0.4%); oldest 10 min old" in texts


def test_a_wide_screen_shows_more_columns_and_what_to_type_and_read() -> None:
    faulty = a_shard(0, fault="it answers 503", fault_age_seconds=9)

    lines = shown(a_snapshot(a_status(faulty, a_shard(1))), ViewOptions(), width=200, height=40)

    assert lines[0].endswith("read: incident-runbook.md#breakers")
    (row,) = (line for line in lines if "it answers 503" in line)
    assert row.endswith("1,000  9 s ago: it answers 503")


def test_the_question_mark_opens_the_help_and_any_key_closes_it() -> None:
    with_help = options_after_key("?", ViewOptions(sort="queued"))
    assert with_help is not None

    assert "r  reverse the order" in [
        line.strip() for line in shown(a_snapshot(a_status()), with_help)
    ]
    assert options_after_key("s", with_help) == ViewOptions(sort="queued")
    assert options_after_key("q", with_help) is None


def test_keys_choose_the_order_and_unknown_keys_do_nothing() -> None:
    by_buckets = options_after_key("s", ViewOptions())

    assert by_buckets == ViewOptions(sort="buckets")
    assert options_after_key("r", ViewOptions()) == ViewOptions(is_reversed=True)
    assert options_after_key("s", ViewOptions(sort="memory", is_reversed=True)) == ViewOptions()
    assert (
        options_after_key("p", ViewOptions())
        == options_after_key(" ", ViewOptions())
        == ViewOptions(is_paused=True)
    )
    assert options_after_key("p", ViewOptions(is_paused=True)) == ViewOptions()
    assert options_after_key("x", ViewOptions()) == ViewOptions()
    assert options_after_key("q", ViewOptions()) is None


def test_the_largest_come_first_and_reversed_last() -> None:
    workers = [a_shard(0, queued=5), a_shard(1, queued=70), a_shard(2, queued=5)]

    def ordered(options: ViewOptions) -> list[int]:
        return [worker.shard for worker in options.sorted(workers)]

    assert ordered(ViewOptions()) == [0, 1, 2]
    assert ordered(ViewOptions(is_reversed=True)) == [2, 1, 0]
    assert ordered(ViewOptions(sort="queued")) == [1, 0, 2]
    assert ordered(ViewOptions(sort="queued", is_reversed=True)) == [0, 2, 1]


def test_the_sort_column_is_marked_with_its_direction() -> None:
    def marked(options: ViewOptions) -> tuple[str, str]:
        lines = shown(a_snapshot(a_status()), options)
        titles = next(index for index, line in enumerate(lines) if line.startswith("shard  "))
        (mark,) = re.finditer(r"[\^v]", lines[titles - 1])
        return lines[titles][: mark.end()].split()[-1], mark[0]

    assert marked(ViewOptions()) == ("shard", "^")
    assert marked(ViewOptions(sort="queued")) == ("queued", "v")
    assert marked(ViewOptions(sort="queued", is_reversed=True)) == ("queued", "^")
    assert marked(ViewOptions(sort="in flight")) == ("flight", "v")


def test_top_shows_a_lost_supervisor_with_what_the_database_knows_and_a_pause() -> None:
    lost = a_snapshot(a_status(), "nothing listens there", HealthSource.DATABASE)
    lines = shown(lost, ViewOptions(), width=100, height=40)
    paused = shown(a_snapshot(a_status()), ViewOptions(is_paused=True))

    assert lines[0].startswith("CRITICAL breakers: 1 open (so says the database)")
    assert lines[1:3] == [
        "no answer for 12 s: nothing listens there; asking again",
        "the verdict is the database's; below is the supervisor's last answer",
    ]
    row = lines[lines.index("what the database knows") + 1]
    assert row.split() == ["critical", "breakers", "1", "open"]
    assert paused[1] == "paused; press p to continue"


@contextmanager
def top(path: Path, *, columns: int = 80, rows: int = 24, **environment: str) -> Iterator[Terminal]:
    environment["RECONCILIATION_CONTROL_SOCKET"] = str(path)
    with on_terminal("top", environment=environment, columns=columns, rows=rows) as terminal:
        yield terminal


def quit_top(terminal: Terminal) -> int:
    """Read the rest of the output; return the exit code."""
    terminal.wait_for(ALTERNATE_SCREEN.replace(b"h", b"l"))
    return terminal.wait_for_end()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_keys_work_and_the_terminal_is_restored(path: Path) -> None:
    with FakeControlServer(path, status=a_status()), top(path) as terminal:
        shown = terminal.wait_for(b"supervisor 4242")
        raw = terminal.attributes
        terminal.press(b"ss")
        sorted_ = terminal.wait_for(BY_QUEUED, after=shown)
        terminal.press(b"r")
        turned = terminal.wait_for(BY_QUEUED.replace(b"v", b"^"), after=sorted_)
        terminal.press(b"\x1b[Ap")
        terminal.wait_for(b"paused; press p to continue", after=turned)
        terminal.press(b"q")
        code = quit_top(terminal)

        assert code == 0
        assert ALTERNATE_SCREEN in terminal.written
        assert raw != terminal.before
        assert terminal.attributes == terminal.before


@pytest.mark.parametrize("how", ["ctrl-c", "TERM"])
def test_an_interrupt_ends_top_and_restores_the_terminal(path: Path, how: str) -> None:
    with FakeControlServer(path, status=a_status()), top(path) as terminal:
        terminal.wait_for(b"supervisor 4242")
        if how == "ctrl-c":
            terminal.press(b"\x03")
        else:
            terminal.process.send_signal(signal.SIGTERM)
        code = quit_top(terminal)

        assert code == 0
        assert terminal.attributes == terminal.before
        assert b"Traceback" not in terminal.written


def test_the_screen_follows_the_size_of_the_terminal(path: Path) -> None:
    server = FakeControlServer(path, status=a_status(), health=VITALS)
    with server, top(path, columns=120, rows=30) as terminal:
        terminal.screen_with("breakers: 1 open   read: incident-runbook.md#breakers")
        terminal.resize(60, 12)
        lines = terminal.screen_with("shard  state ")

        assert {len(line) for line in lines} == {60}
        assert len(lines) == 12


def test_top_survives_a_supervisor_asks_the_database_and_follows_the_next(
    path: Path, ready_database_url: str
) -> None:
    first = ExitStack()
    first.enter_context(FakeControlServer(path, status=a_status(), health=VITALS))
    with first, top(path, DATABASE_URL=ready_database_url) as terminal:
        shown = terminal.wait_for(b"supervisor 4242")
        terminal.wait_for(b"breakers", after=shown)
        first.close()
        lost = terminal.wait_for(b"nothing listens there", after=shown)
        terminal.wait_for(b"what the database knows", after=lost)
        with FakeControlServer(path, status=a_status(pid=5151)):
            terminal.wait_for(b"supervisor 5151", after=lost)
            terminal.press(b"q")

            assert quit_top(terminal) == 0


def test_without_a_supervisor_top_shows_what_the_database_knows_and_follows_the_first(
    path: Path, ready_database_url: str
) -> None:
    with top(path, DATABASE_URL=ready_database_url) as terminal:
        gone = terminal.wait_for(b"no supervisor answers: nothing listens there")
        terminal.wait_for(b"start one with: reconciler run", after=gone)
        terminal.wait_for(b"last run", after=gone)
        with FakeControlServer(path, status=a_status(pid=5151)):
            terminal.wait_for(b"supervisor 5151", after=gone)
            terminal.press(b"q")

            assert quit_top(terminal) == 0


def test_without_settings_top_says_what_to_set() -> None:
    with on_terminal("top", environment={}, columns=80, rows=24) as terminal:
        terminal.wait_for(b"DATABASE_URL is not set")

        assert terminal.wait_for_end() == 78
        assert ALTERNATE_SCREEN not in terminal.written


@pytest.mark.parametrize("height", [1, 3, 10, 24, 50])
@pytest.mark.parametrize("width", [30, 80])
def test_the_screen_without_a_supervisor_fits_any_terminal(width: int, height: int) -> None:
    nobody = Snapshot(
        status=None,
        fault="nothing listens there",
        age_seconds=0,
        health=HealthReport.of(VITALS, HealthSource.DATABASE),
    )

    lines = shown(nobody, ViewOptions(), width=width, height=height)

    assert len(lines) == height
    assert max(map(len, lines)) <= width
    if height >= 3:
        assert any(line.startswith("no supervisor answers: ") for line in lines)
    if height >= 10:
        assert "what the database knows" in lines
        assert lines[-1].lstrip().startswith("s  sort")


def test_without_a_terminal_top_suggests_status(invoke: Invoke) -> None:
    result = invoke("top")

    assert result.exit_code == 2
    assert "top needs a terminal; anywhere else use: reconciler status" in result.stderr
