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
from reconciler.supervisor.status import ShardState
from reconciler.telemetry.metric_catalog import CATALOG

from .conftest import Start
from .control import wait_for_status
from .rows import connected
from .statsd_socket import StatsdServer

NAMES = {(metric.kind.value, name) for metric in CATALOG for name in metric.names}
COUNTERS = {name for kind, name in NAMES if kind == "c"}
DAY_MS = 86_400_000
SHARDS = re.compile(r"shard\.(\d+)\.")
UNUSUAL_TIMERS = {"shadow.application_later"}


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
    assert statsd.names("g") == {name for kind, name in NAMES if kind == "g" and shard_in(name) < 2}
    assert statsd.names("ms") == {
        name for kind, name in NAMES if kind == "ms" and name not in UNUSUAL_TIMERS
    }
    assert statsd.names("c") == COUNTERS
    assert round(statsd.timings["orders.time_to_correct"], 3) == report["discrepancies"]
    assert 0 < max(statsd.values["ms", "orders.time_to_correct"]) < 30 * DAY_MS
    for name in ("lock", "commit"):
        assert max(statsd.values["ms", f"store.{name}"]) > 0
        assert sum(statsd.values["ms", f"store.{name}"]) < sum(statsd.values["ms", "store.apply"])


def test_gauges_come_from_one_writer_and_again_and_again_while_it_is_idle(
    demo: Demo, reconcile: Start, statsd: StatsdServer
) -> None:
    demo.fill(orders=200, symbols=12, seed=10)
    run = reconcile("--shards", "1", **statsd.environment)
    statsd.read_until(lambda: statsd.total("orders.reconciled") == 200)
    last_of_a_send = ("g", "shadow.not_yet")
    so_far = len(statsd.values[last_of_a_send])

    statsd.read_until(lambda: len(statsd.values[last_of_a_send]) == so_far + 1)
    before = {key: len(values) for key, values in statsd.values.items()}
    statsd.read_until(lambda: len(statsd.values[last_of_a_send]) == so_far + 2)

    resent = {key[1] for key, count in before.items() if len(statsd.values[key]) > count}
    gauges = statsd.names("g")
    assert {name for name in gauges if not name.startswith("cycle.last")} <= resent
    assert resent >= COUNTERS
    run.send(signal.SIGTERM)
    run.end()
    statsd.read()
    assert {len(statsd.senders[f"reconciler.{name}"]) for name in statsd.names("g")} == {1}
    assert statsd.values["g", "health.verdict"][-1] == 3
    assert statsd.values["g", "budget.used"][-1] == 0


def test_counters_are_exact_though_workers_come_and_go(
    demo: Demo, reconcile: Start, statsd: StatsdServer, tmp_path: Path
) -> None:
    demo.fill(orders=4000, symbols=40, seed=15)
    demo.exchange.set_faults(latency_ms=20, error_rate=0.02)
    asked_before = asked(demo)
    path = tmp_path / "control.sock"
    patient = {"RECONCILIATION_BREAKER_FAILURE_THRESHOLD": 1000, "RECONCILIATION_BATCH_SIZE": 20}
    run = reconcile(
        "--shards", "1", **statsd.environment, **patient, RECONCILIATION_CONTROL_SOCKET=path
    )
    statsd.read_until(lambda: statsd.total("orders.reconciled") > 100)

    ask(ControlAddress.at(path), "scale", Scaling, shards=3)
    wait_for_status(
        path, lambda status: [one.state for one in status.workers] == 3 * [ShardState.READY]
    )
    ask(ControlAddress.at(path), "scale", Scaling, shards=1)
    run.send(signal.SIGHUP)
    run.wait_for("supervisor.reloaded")
    run.send(signal.SIGTERM)
    ended = run.end()
    statsd.read()

    assert ended.exit_code == 0, ended.err
    assert asked(demo) - asked_before == statsd.total("exchange.requests")
    with connected(demo.database_url) as database:
        (recorded,) = database.execute(
            "SELECT sum(reconciled)::int, sum(discrepancies)::int, sum(errors)::int, sum(held)::int"
            " FROM reconciliation_cycles"
        ).fetchall()
        logged = database.execute(
            "SELECT concat(details->'from'->>'status', '.', details->'to'->>'status'), count(*)"
            " FROM activity_log GROUP BY 1"
        ).fetchall()
    counted = [
        statsd.total(f"orders.{name}") for name in ("reconciled", "discrepancies", "errors", "held")
    ]
    assert counted == list(recorded)
    assert counted[0] > 100
    changes = {name: statsd.total(name) for name in COUNTERS if name.startswith("transitions.")}
    assert {name: count for name, count in changes.items() if count} == {
        f"transitions.{name}": count for name, count in logged
    }


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

    for name in ("shards.desired", "breakers.open", "shard.0.breaker.state"):
        assert max(statsd.values["g", name]) > 0, name
        assert statsd.values["g", name][-1] == 0, name
    # On a busy machine no gauges are sent between the start of the workers and their end.
    assert statsd.values["g", "shards.running"][-1] == 0


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
        # So that no worker takes over all that another one could begin with.
        "RECONCILIATION_BATCH_SIZE": 10,
    }
    run = reconcile("--shards", "3", **statsd.environment, **away, **opens)
    for shard in range(3):
        state = ("g", f"shard.{shard}.breaker.state")
        statsd.read_until(partial(lambda name: 2 in statsd.values[name], state))

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


def shard_in(name: str) -> int:
    """Return the number of the shard in a name; 0 if it has none."""
    match = SHARDS.match(name)
    return 0 if match is None else int(match[1])


def asked(demo: Demo) -> int:
    """Return the number of requests that the exchange has got."""
    return sum(demo.exchange.stats()["requests"].values())


def undocumented_metrics(statsd: StatsdServer) -> list[tuple[str, str]]:
    """Return the metrics that are not in the catalog under their name and kind."""
    return sorted(statsd.values.keys() - NAMES)
