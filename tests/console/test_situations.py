"""What goes wrong is named on the overview: the cause first, what it means, and what to type."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from reconciler.supervisor.status import (
    BudgetStatus,
    Phase,
    ShardCounts,
    ShardState,
    SupervisorStatus,
)
from reconciler.telemetry.health import HostState, LastHour, Vitals

from ..cli.fake_control_server import (  # noqa: TID252 - tests are no package
    FakeControlServer,
    a_shard,
    a_status,
)
from .conftest import StartConsole
from .orders_on_hold import REPORT, hold

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
            "Critical: nothing is written until you decide",
            "7 of 10 orders vanished Whose fault is it? To be found out: this needs your decision.",
            "reconciler halt status",
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
            "Critical: the exchange has told us to send nothing for a while",
            "Not all confirmed. 900 of 1,000 open orders are not up to date",
            "the exchange wants no requests for 1 min 30 s, until ",
            "Whose fault is it? The exchange's rule: too much was sent with our key",
            "A restart does not end the pause.",
            "Runbook: Pause",
            "oldest stale order",
        ),
    ),
    "breaker": Situation(
        status=a_status(a_shard(0, breaker="open", breaker_retry_seconds=50), a_shard(1)),
        health=replace(WELL, hosts=(replace(HOST, breakers_open=1),)),
        expected=(
            "Critical: requests to the exchange fail",
            "open, next try in 50 s",
            "Nothing confirms them at the moment",
        ),
    ),
    "parked": Situation(
        status=a_status(
            a_shard(1, state=ShardState.PARKED, restarts=5, fault="worker died of signal 9"),
            shards=ShardCounts(desired=2, running=1, draining=0, parked=1),
        ),
        health=replace(WELL, hosts=(replace(HOST, shards_parked=1),)),
        expected=(
            "Warning: our worker processes keep dying",
            "Every open order (1,000) was confirmed by the exchange within 5 min",
            "Ours: the reconciler's process",
            "1 of 2",
            "after 5 deaths of its worker; the last reason: worker died of signal 9.",
        ),
    ),
    "database": Situation(
        health=replace(WELL, hosts=(replace(HOST, store_refusal="permission denied for orders"),)),
        expected=(
            "Critical: our database does not work",
            "permission denied for orders",
            "Give back the right or the login that is refused.",
        ),
    ),
    "holds": Situation(
        health=replace(WELL, held_orders=200, oldest_hold_age_seconds=100_000.0),
        expected=(
            "Critical: orders are on hold until you decide",
            "Not all. 200 of 1,000 open orders are on hold",
            "reconciler holds list",
            "of 1,000 open orders",
        ),
    ),
    "refused key": Situation(
        health=replace(WELL, hosts=(replace(HOST, account_fault="code -2015"),)),
        expected=(
            "Critical: the exchange does not accept our key",
            "Ours: our key, its permissions or its allowed addresses",
        ),
    ),
    "budget": Situation(
        health=replace(
            WELL,
            last_hour=replace(WELL.last_hour, weight=1000),
            stale_orders=900,
            oldest_stale_age_seconds=310.0,
            hosts=(replace(HOST, budget_per_minute=6),),
        ),
        expected=(
            "Warning: our request budget is too small",
            "our budget of 6 weight a minute, set by RECONCILIATION_RATE_SHARE",
            "Ours: a setting",
            "; 180 weight a minute would be enough",
            "Raise RECONCILIATION_RATE_SHARE",
            "the signal HUP makes the supervisor read it again",
        ),
    ),
    "database away": Situation(
        health=replace(
            WELL,
            counted_seconds_ago=3600.0,
            hosts=(replace(HOST, store_away="it does not answer"),),
        ),
        expected=("Not known. The orders cannot be read now", "as of", "as counted 1 h ago"),
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


def test_the_reasons_of_the_holds_are_named_with_their_numbers_and_lead_to_them(
    supervisor: FakeControlServer, start_console: StartConsole, database_url: str
) -> None:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        for order_id in range(1, 4):
            hold(connection, order_id, reason="not_found", age="2 hours")
        hold(connection, 4, reason="conflict")
        for order_id, word in ((5, "ODD"), (6, "NEW_WORD"), (7, "NEW_WORD")):
            hold(connection, order_id, reason="unknown_status", report=REPORT | {"word": word})
    supervisor.answers["health"] = SITUATIONS["holds"].health
    console = start_console(
        DATABASE_URL=database_url, RECONCILIATION_CONTROL_SOCKET=str(supervisor.path)
    )

    with console.signed_in() as client:
        text = _text_of(client)
        page = client.get("/").text

    assert "3 not found at the exchange ( not_found , the oldest for 2 h)" in text
    assert "1 contradict what the exchange says" in text
    assert "that this version does not know : NEW_WORD (2), ODD (1)" in text
    assert "Look them up at the exchange, then upgrade the reconciler" in text
    assert "Ours: this version does not know a word of the exchange ( unknown_status )" in text
    assert "/holds?reason=not_found" in page


def test_a_minute_without_work_is_a_zero_in_the_chart(
    supervisor: FakeControlServer, start_console: StartConsole, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO reconciliation_cycles (host, started_at, finished_at, duration_ms,"
            " scanned, reconciled, discrepancies, errors, held, skipped_locked, requests, weight,"
            " transitions) SELECT 'a', at, at, 5, 7, 7, 0, 0, 0, 0, 1, 1, '{}'"
            " FROM (SELECT now() - interval '3 minutes' AS at) AS ended"
        )
    console = start_console(
        DATABASE_URL=database_url, RECONCILIATION_CONTROL_SOCKET=str(supervisor.path)
    )

    with console.signed_in() as client:
        _text_of(client)
        history = client.get("/overview/history").json()

    assert history["minutes"]["scanned"][:3] == [7, 0, 0]
    assert history["minutes"]["at"][-1] + 60 <= time.time()
    assert history["seen"]["backlog"][0] == 0
    assert history["seen"]["oldest_seconds"][0] is None


def _text_of(client: httpx.Client) -> str:
    """Return the text of the overview, once the first snapshot is there."""
    with client.stream("GET", "/events") as stream:
        next(line for line in stream.iter_lines() if line.startswith("data: "))
    page = re.sub(r"<[^>]*>", " ", client.get("/").text.replace("<wbr>", ""))
    return re.sub(r"\s+", " ", page.replace("&#39;", "'"))
