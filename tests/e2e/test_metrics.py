import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo
from reconciler.supervisor.sharding import Scaling

from .conftest import Start
from .statsd_socket import StatsdServer

STATUS = "(pending|new|partial|filled|canceled|rejected|expired)"
NAMES = {
    "c": (
        r"orders\.(reconciled|discrepancies|errors|held|skipped_locked)",
        rf"transitions\.{STATUS}\.{STATUS}",
        r"exchange\.(requests|weight|retries)",
        r"exchange\.errors\.[a-z_]+",
        r"breaker\.opened",
        r"supervisor\.(restarts|killed_hung)",
        r"log\.lines_lost",
        r"shadow\.would_(change|hold)",
    ),
    "ms": (
        r"cycle\.duration",
        r"exchange\.latency",
        r"store\.apply",
        r"shadow\.application_later",
    ),
    "g": (
        r"cycle\.(last_run_timestamp|last_duration_ms)",
        r"shards\.(desired|running|parked)",
        r"shard\.\d\.breaker\.state",
        r"breakers\.open",
        r"stale\.(backlog|oldest_age_seconds)",
        r"holds\.(open|oldest_age_seconds)",
        r"orders\.(not_followed|duplicates)",
        r"shadow\.(active|not_yet)",
    ),
}


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    """A StatsD server of this test."""
    statsd = StatsdServer()
    yield statsd
    statsd.close()


def test_run_sends_its_counts_under_documented_names_only(
    demo: Demo, reconcile: Start, statsd: StatsdServer
) -> None:
    demo.fill(orders=600, symbols=12, seed=9)
    demo.exchange.set_faults(error_rate=0.2)
    patient = {"RECONCILIATION_BREAKER_FAILURE_THRESHOLD": 1000, "RECONCILIATION_RETRY_MAX": 20}

    ended = reconcile("--once", "--json", **statsd.environment, **patient).end()
    statsd.read()

    assert ended.exit_code == 0, ended.err
    report = ended.report
    for name, key in {
        "orders.reconciled": "reconciled",
        "orders.discrepancies": "discrepancies",
        "exchange.requests": "requests",
        "exchange.weight": "weight",
    }.items():
        assert statsd.total(name) == report[key], name
    for moved, orders in report["transitions"].items():
        assert statsd.total(f"transitions.{moved}") == orders
    assert statsd.total("exchange.retries") == statsd.total("exchange.errors.unavailable") > 0
    assert undocumented_metrics(statsd) == []
    assert {name for kind, name in statsd.values if kind == "g"} == {
        "cycle.last_run_timestamp",
        "cycle.last_duration_ms",
        "shards.desired",
        "shards.running",
        "shards.parked",
        "shard.0.breaker.state",
        "shard.1.breaker.state",
        "breakers.open",
        "stale.backlog",
        "stale.oldest_age_seconds",
        "holds.open",
        "orders.not_followed",
        "orders.duplicates",
        "holds.oldest_age_seconds",
        "shadow.active",
        "shadow.not_yet",
    }
    assert {name for kind, name in statsd.values if kind == "ms"} == {
        "cycle.duration",
        "exchange.latency",
        "store.apply",
    }


def test_every_gauge_has_one_writer(demo: Demo, reconcile: Start, statsd: StatsdServer) -> None:
    demo.fill(orders=200, symbols=12, seed=10)

    reconcile("--once", **statsd.environment).end()
    statsd.read()

    gauges = [name for kind, name in statsd.values if kind == "g"]
    assert gauges
    assert {len(statsd.senders[f"reconciler.{name}"]) for name in gauges} == {1}


def test_an_exchange_that_is_away_shows_in_the_metrics(
    demo: Demo, reconcile: Start, statsd: StatsdServer
) -> None:
    demo.fill(orders=200, symbols=12, seed=11)

    away = {"EXCHANGE_BASE_URL": "http://127.0.0.1:9"}
    ended = reconcile("--once", **statsd.environment, **away).end()
    statsd.read()

    assert ended.exit_code == 75
    assert statsd.total("breaker.opened") > 0
    assert statsd.total("exchange.errors.unavailable") > 0
    assert statsd.total("orders.reconciled") == 0
    assert 2 in {
        *statsd.values["g", "shard.0.breaker.state"],
        *statsd.values["g", "shard.1.breaker.state"],
    }
    assert undocumented_metrics(statsd) == []


def test_an_orderly_end_leaves_no_gauge_of_what_is_gone(
    demo: Demo, reconcile: Start, statsd: StatsdServer
) -> None:
    demo.fill(orders=200, symbols=12, seed=12)

    reconcile("--once", **statsd.environment, EXCHANGE_BASE_URL="http://127.0.0.1:9").end()
    statsd.read()

    for name in ("shards.desired", "shards.running", "breakers.open", "shard.0.breaker.state"):
        assert max(statsd.values["g", name]) > 0, name
        assert statsd.values["g", name][-1] == 0, name


def test_a_shard_that_is_gone_leaves_no_open_breaker(
    demo: Demo, reconcile: Start, statsd: StatsdServer, tmp_path: Path
) -> None:
    demo.fill(orders=300, symbols=12, seed=13)
    path = tmp_path / "control.sock"
    away = {"EXCHANGE_BASE_URL": "http://127.0.0.1:9", "RECONCILIATION_CONTROL_SOCKET": path}
    # While the breakers of others are open, a worker may have less than five failures a minute.
    opens = {
        "RECONCILIATION_BREAKER_FAILURE_THRESHOLD": 1,
        # A shard may get its first orders only when another one's breaker lets a probe pass.
        "RECONCILIATION_BREAKER_OPEN_MS": 10_000,
    }
    run = reconcile("--shards", "3", **statsd.environment, **away, **opens)
    for shard in range(3):
        state = ("g", f"shard.{shard}.breaker.state")
        statsd.read_until(partial(lambda name: statsd.values[name][-1:] == [2], state))

    ask(ControlAddress.at(path), "scale", Scaling, shards=1)

    statsd.read_until(lambda: statsd.values["g", "shard.2.breaker.state"][-1] == 0)
    statsd.read_until(lambda: statsd.values["g", "shard.1.breaker.state"][-1] == 0)
    assert statsd.values["g", "shard.0.breaker.state"][-1] != 0
    run.send(signal.SIGTERM)
    run.end()


@pytest.mark.parametrize(
    ("wrong", "said", "code"),
    [
        ({"STATSD_HOST": "http://statsd"}, ("metrics.off", "set STATSD_HOST"), 78),
        ({"STATSD_PORT": "x"}, ("metrics.off", "set STATSD_PORT"), 78),
        ({"STATSD_HOST": "statsd.invalid"}, ("metrics.off", "STATSD_HOST"), 69),
        ({"STATSD_PORT": 9}, ("metrics.refused", "start StatsD there"), 69),
    ],
    ids=["bad host", "bad port", "unknown host", "refused"],
)
def test_a_run_works_without_metrics_and_says_so_once_unless_they_are_required(
    demo: Demo, reconcile: Start, wrong: dict[str, object], said: tuple[str, str], code: int
) -> None:
    demo.fill(orders=50, symbols=3, seed=14)
    event, hint = said
    given = {"STATSD_HOST": "127.0.0.1"} | wrong

    required = reconcile("--once", **given, STATSD_REQUIRED="yes").end()
    run = reconcile("--once", **given)
    ended = run.end()

    assert required.exit_code == code
    assert hint in required.err
    assert ended.exit_code == 0, ended.err
    (line,) = [line for kind in ("metrics.off", "metrics.refused") for line in run.logged(kind)]
    assert line["event"] == event
    assert hint in line["hint"]
    assert demo.mismatches() == []


def undocumented_metrics(statsd: StatsdServer) -> list[tuple[str, str]]:
    """Return the metrics that are not documented under their name and kind."""
    return [
        (kind, name)
        for kind, name in statsd.values
        if not any(re.fullmatch(pattern, name) for pattern in NAMES[kind])
    ]
