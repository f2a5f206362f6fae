"""What goes wrong is named on the overview: the cause first, what it means, and what to type."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest

from reconciler.supervisor.status import BudgetStatus, Phase, ShardCounts, SupervisorStatus
from reconciler.telemetry.health import HostState, LastHour, Vitals

from ..cli.fake_control_server import (  # noqa: TID252 - tests are no package
    FakeControlServer,
    a_shard,
    a_status,
)
from .conftest import StartConsole

HOST = HostState(host="trading-1", instance="aa", shards=2, budget_per_minute=3000)
WELL = Vitals(
    last_hour=LastHour(scanned=1000, last_run_age_seconds=1, last_duration_ms=500),
    stale_orders=0,
    oldest_stale_age_seconds=0,
    stale_after_seconds=300,
    open_orders=1000,
    held_orders=0,
    hosts=(HOST,),
)


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What a supervisor answers, and the words that a person must then see."""

    expected: tuple[str, ...]
    status: SupervisorStatus = field(default_factory=a_status)
    health: Vitals = WELL


SITUATIONS = {
    "well": Situation(expected=("Orders are right", "running")),
    "halt": Situation(
        status=a_status(phase=Phase.HALTED, halted="7 of 10 orders vanished"),
        health=replace(WELL, hosts=(replace(HOST, halted="7 of 10 orders vanished"),)),
        expected=(
            "Critical: look at a person's decision",
            "Halted: no order is written. 7 of 10 orders vanished reconciler halt status",
        ),
    ),
    "pause": Situation(
        status=a_status(budget=BudgetStatus(limit_per_minute=3000, used=3000, paused_seconds=90)),
        health=replace(
            WELL,
            stale_orders=900,
            oldest_stale_age_seconds=5000.0,
            hosts=(replace(HOST, pause_seconds=90),),
        ),
        expected=(
            "Critical: look at the exchange",
            "Rate-limit pause. The exchange wants no requests for another",
            "oldest stale order",
        ),
    ),
    "breaker": Situation(
        status=a_status(a_shard(0, breaker="open", breaker_retry_seconds=50), a_shard(1)),
        health=replace(WELL, hosts=(replace(HOST, breakers_open=1),)),
        expected=("look at the exchange", "open 50 s"),
    ),
    "parked": Situation(
        status=a_status(shards=ShardCounts(desired=2, running=1, draining=0, parked=1)),
        health=replace(WELL, hosts=(replace(HOST, shards_parked=1),)),
        expected=("look at the reconciler", "1 shard is parked", "1 of 2"),
    ),
    "database": Situation(
        health=replace(WELL, hosts=(replace(HOST, store_refusal="permission denied for orders"),)),
        expected=("Critical: look at the database", "permission denied for orders"),
    ),
    "holds": Situation(
        health=replace(WELL, held_orders=200, oldest_hold_age_seconds=100_000.0),
        expected=(
            "Critical: look at a person's decision",
            "reconciler holds list",
            "of 1,000 open orders",
        ),
    ),
    "first sync": Situation(
        health=replace(WELL, last_hour=replace(WELL.last_hour, is_first_sync=True)),
        expected=("First sync of this table",),
    ),
    "text that would be a script": Situation(
        status=a_status(halted="<script>alert(1)</script>"),
        expected=("&lt;script&gt;alert(1)&lt;/script&gt;",),
    ),
    "other host": Situation(
        health=replace(WELL, hosts=(HOST, replace(HOST, host="trading-2", instance="bb"))),
        expected=("Orders are right", "trading-2"),
    ),
}


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[FakeControlServer]:
    with FakeControlServer(tmp_path / "control.sock", status=a_status(), health=WELL) as server:
        yield server


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_is_named(
    supervisor: FakeControlServer, start_console: StartConsole, database_url: str, name: str
) -> None:
    situation = SITUATIONS[name]
    supervisor.answers |= {"status": situation.status, "health": situation.health}
    console = start_console(
        DATABASE_URL=database_url, RECONCILIATION_CONTROL_SOCKET=str(supervisor.path)
    )
    with console.signed_in() as client:
        text = _text_of(client)

    for words in situation.expected:
        assert words in text


def _text_of(client: httpx.Client) -> str:
    """Return the text of the overview, once the first snapshot is there."""
    with client.stream("GET", "/events") as stream:
        next(line for line in stream.iter_lines() if line.startswith("data: "))
    page = re.sub(r"<[^>]*>", " ", client.get("/").text)
    return re.sub(r"\s+", " ", page.replace("&#39;", "'"))
