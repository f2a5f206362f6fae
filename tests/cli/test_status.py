"""`reconciler status` and `scale`: a supervisor's answers, as tables in 80 columns or as JSON."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from reconciler.cli.ui import status_view
from reconciler.control.address import ControlAddress
from reconciler.supervisor.sharding import Scaling, moved_buckets
from reconciler.supervisor.status import BudgetStatus, ShardCounts, ShardState, SupervisorStatus
from reconciler.telemetry.health import LastHour, Vitals
from reconciler.telemetry.shadow import CatchUpFigures, Mode, ShadowFigures

from .conftest import Invoke
from .fake_control_server import FakeControlServer, a_budget, a_cycle, a_limit, a_shard, a_status

WIDTH = 80
WORST = replace(
    a_shard(63),
    state=ShardState.BACKING_OFF,
    pid=4_194_304,
    buckets=256,
    queued=99_999,
    in_flight=9999,
    done_per_second=9999.0,
    memory_bytes=999_000_000,
    breaker="open",
    breaker_retry_seconds=119.0,
    fault="the exchange answers 503",
    fault_age_seconds=70.0,
)

SHADOW_FIGURES = ShadowFigures(
    looked_at=4000,
    confirmed=3800,
    would_hold=2,
    changes=CatchUpFigures(
        would_change=120,
        caught_up=80,
        not_yet=30,
        elsewhere=9,
        gone=1,
        median_seconds=90.0,
        p95_seconds=400.0,
        longest_seconds=7000.0,
    ),
    oldest_not_yet_seconds=9000.0,
    not_followed=0,
    halts=0,
)


@pytest.fixture
def control_server(tmp_path: Path) -> Iterator[FakeControlServer]:
    with FakeControlServer(tmp_path / "control.sock") as control_server:
        yield control_server


def lines_of(*parts: object, width: int = WIDTH) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width)
    for part in parts:
        console.print(part)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_status_shows_shards_backlog_cycles_and_faults(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    parked = a_shard(1, state=ShardState.PARKED, pid=None, buckets=0, memory_bytes=None)
    control_server.answers["status"] = a_status(
        a_shard(0, queued=1200, in_flight=200, breaker="half_open"),
        replace(parked, fault="worker died of signal 9", fault_age_seconds=75.0),
        shards=ShardCounts(desired=2, running=1, draining=0, parked=1),
        halted="41 of 50 came back not found",
    )
    control_server.answers["health"] = Vitals(
        last_hour=LastHour(last_run_age_seconds=3),
        halted="41 of 50 came back not found",
        open_orders=3000,
        held_orders=7,
    )

    result = invoke("status", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert result.exit_code == 0, result.stderr
    assert lines[0] == (
        "CRITICAL halt: 41 of 50 came back not found type: reconciler halt status"
        " read: incident-runbook.md#halt"
    )
    assert lines[1:9] == [
        "supervisor 4242, running, up 3 h, on trading-1, 58 MB, version 0.1.0",
        "shards 2 desired: 1 running, 0 draining, 1 parked",
        "backlog 812 stale, the oldest unsynced for 7 min 14 s (counted 3 s ago)",
        "hottest BTCUSDT 612, ETHUSDT 200",
        "budget 240 of 3,000 weight this minute",
        "halt on: 41 of 50 came back not found",
        "holds 7 of 3,000 open orders (0.2%)",
        "done 96,000 orders in 240 cycles: 8,100 changed, 12 failed, 7 held",
    ]
    assert "0 4300 ready 128 1,200 200 100 61 MB half-open 0 1 min 1,000" in lines
    assert "1 - parked 0 0 0 100 - closed 0 - 1,000" in lines
    assert "shard 1, 1 min 15 s ago: worker died of signal 9" in lines
    assert "10:00:00 2.1 s 400 37 1 1 2 12 180" in lines
    assert "\x1b" not in result.stdout


def test_status_of_a_shadow_says_that_nothing_is_written_and_what_it_found(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["status"] = a_status(mode=Mode.SHADOW, shadow=SHADOW_FIGURES)

    result = invoke("status", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[1].startswith("supervisor 4242, shadow, running, up 3 h, ")
    assert (
        "shadow nothing is written; 120 would be changed; the application got 80 by itself"
        " (median 1 min 30 s later), 30 not yet" in lines
    )
    assert "done 96,000 orders in 240 cycles: 8,100 differed, 12 failed, 7 to hold" in lines


def test_status_as_json_is_all_that_the_supervisor_says(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    status = a_status(mode=Mode.SHADOW, shadow=SHADOW_FIGURES)
    control_server.answers["status"] = status

    result = invoke("status", "--json", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert msgspec.json.decode(result.stdout, type=SupervisorStatus) == status


def test_a_supervisor_that_has_just_started_has_nothing_to_show_yet(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["status"] = a_status(
        a_shard(state=ShardState.BOOTING, breaker=None), backlog=None, hottest=(), cycles=()
    )

    result = invoke("status", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert "backlog  not measured yet\n" in result.stdout
    assert "hottest  nothing is waiting\n" in result.stdout
    assert "last cycles" not in result.stdout


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_tables_fit_any_width_at_their_widest(width: int) -> None:
    cycle = a_cycle(duration_ms=999_900, scanned=9_999_999, requests=99_999, weight=99_999)

    shards = lines_of(status_view.shards_table([WORST], width=width), width=width)
    cycles = lines_of(status_view.cycles_table([cycle], width=width), width=width)

    assert max(map(len, [*shards, *cycles])) <= width
    assert "backing off" in shards[-1]
    assert "open 1 min 59 s" in shards[-1]
    assert "9,999,999" in cycles[1]
    assert ("4194304" in shards[-1]) is (width >= 80)
    assert ("locked" in cycles[0]) is (width >= 120)


def test_a_rate_limit_pause_has_a_line_of_its_own() -> None:
    budget = a_budget(a_limit(used=2140), paused_seconds=12)

    lines = lines_of(*status_view.summary(a_status(budget=budget)))

    assert "budget   2,140 of 3,000 weight this minute" in lines
    assert "pause    no request for 12 s: the exchange limits our rate" in lines


def test_of_several_limits_the_tightest_comes_first_and_each_is_shown() -> None:
    budget = a_budget(
        a_limit("order_history", used=22, allowed=25, window_seconds=1, scope="route"),
        a_limit("address", used=24, allowed=300, window_seconds=5, blocked_seconds=4),
        a_limit("counter", used=2, allowed=7, window_seconds=None, leak_per_second=0.33),
    )

    lines = lines_of(*status_view.summary(a_status(budget=budget)), width=200)

    assert "budget   22 of 25 order_history in 1 s" in lines
    assert (
        "limits   24 of 300 address in 5 s, blocked for 4 s: all programs used it up;"
        " 2 of 7 counter, leaking"
    ) in lines


def test_work_that_nothing_limits_says_so() -> None:
    budget = BudgetStatus(limit_per_minute=10**18, used=0, paused_seconds=0)

    assert "budget   no limit" in lines_of(*status_view.summary(a_status(budget=budget)))


@pytest.mark.parametrize(
    "command", [["status"], ["status", "--json"], ["scale", "3"]], ids=" ".join
)
def test_without_a_supervisor_it_is_code_69_with_the_path(
    invoke: Invoke, tmp_path: Path, command: list[str]
) -> None:
    path = tmp_path / "control.sock"

    result = invoke(*command, RECONCILIATION_CONTROL_SOCKET=str(path))

    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr == (
        f"error: no supervisor answers at {path}: nothing listens there\n"
        "  hint: start one: reconciler run; or use the supervisor's DATABASE_URL or"
        " RECONCILIATION_CONTROL_SOCKET, and run this as the same user\n"
    )


def test_an_unset_socket_follows_from_the_database(invoke: Invoke) -> None:
    url = "postgresql://nobody@localhost/no_such_database"

    result = invoke("status", DATABASE_URL=url)

    assert f"no supervisor answers at {ControlAddress.of_database(url)}: " in result.stderr


def test_neither_socket_nor_database_is_code_78(invoke: Invoke) -> None:
    result = invoke("status")

    assert result.exit_code == 78
    assert result.stderr.startswith("error: DATABASE_URL is not set\n")


def test_scale_sets_the_shards_and_shows_what_moves(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["scale"] = Scaling(before=8, after=9, buckets_moved=28, buckets=256)
    environment = {"RECONCILIATION_CONTROL_SOCKET": str(control_server.path)}

    result = invoke("scale", "9", **environment)
    output = json.loads(invoke("scale", "9", "--json", **environment).stdout)

    assert control_server.asked == [("scale", {"shards": 9})] * 2
    assert (result.exit_code, result.stdout) == (
        0,
        "from 8 to 9 shards: 28 of 256 buckets move (10.9%)\n",
    )
    assert output == {"before": 8, "after": 9, "buckets_moved": 28, "buckets": 256}


def test_scaling_to_the_present_number_moves_nothing(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    control_server.answers["scale"] = Scaling(before=1, after=1, buckets_moved=0, buckets=256)

    result = invoke("scale", "1", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert result.stdout == "1 shard already: nothing moves\n"


@pytest.mark.parametrize(
    "arguments", [["--plan", "9"], ["9", "--plan"]], ids=["flag first", "flag last"]
)
def test_a_plan_shows_each_shards_buckets_and_changes_nothing(
    invoke: Invoke, control_server: FakeControlServer, arguments: list[str]
) -> None:
    control_server.answers["scale"] = Scaling(before=8, after=9, buckets_moved=28, buckets=256)

    result = invoke("scale", *arguments, RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    rows = [line.split() for line in result.stdout.splitlines()]
    assert control_server.asked == [("scale", {"shards": 9, "plan": True})]
    assert rows[1:10] == [
        *([str(shard), "32", "28", "-4"] for shard in range(4)),
        *([str(shard), "32", "29", "-3"] for shard in range(4, 8)),
        ["8", "0", "28", "+28"],
    ]
    assert result.stdout.endswith("from 8 to 9 shards: 28 of 256 buckets move (10.9%)\n")
    assert result.stderr == ""


def test_a_plan_without_a_supervisor_starts_from_the_settings(
    invoke: Invoke, tmp_path: Path
) -> None:
    environment = {
        "RECONCILIATION_CONTROL_SOCKET": str(tmp_path / "control.sock"),
        "RECONCILIATION_SHARDS": "4",
    }

    result = invoke("scale", "--plan", "3", "--json", **environment)

    output = json.loads(result.stdout)
    assert result.exit_code == 0
    assert "nothing listens there; the plan starts from RECONCILIATION_SHARDS, 4" in result.stderr
    assert (output["source"], output["before"], output["after"]) == ("settings", 4, 3)
    assert output["buckets_moved"] == moved_buckets(4, 3)
    assert output["shards"][3] == {"shard": 3, "before": 64, "after": 0}


@pytest.mark.parametrize("shards", ["0", "65", "10000"])
def test_an_impossible_shard_count_is_a_usage_error(
    invoke: Invoke, control_server: FakeControlServer, shards: str
) -> None:
    result = invoke("scale", shards, RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert result.exit_code == 2
    assert f"Invalid value for 'N': {shards} is not in the range 1<=x<=64." in result.stderr
    assert control_server.asked == []


def test_what_the_supervisor_refuses_is_told_with_its_hint(
    invoke: Invoke, control_server: FakeControlServer
) -> None:
    result = invoke("scale", "3", RECONCILIATION_CONTROL_SOCKET=str(control_server.path))

    assert result.exit_code == 78
    assert result.stderr == "error: no command scale\n  hint: ask another\n"
