"""A shadow writes nothing, says that it is one, and reports what the application does."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.demo import Demo
from reconciler.telemetry.health import Vitals
from reconciler.telemetry.shadow import Mode

from ..docs.documents import marked  # noqa: TID252 - tests are no package
from ..scripts import run_script  # noqa: TID252 - as above
from .conftest import Start, settings_of
from .control import wait_for_answer, wait_for_status
from .rows import connected
from .statsd_socket import StatsdServer
from .test_metrics import undocumented_metrics

WRITES = re.compile(r"orders\.(reconciled|discrepancies|held)|transitions\..*")
TABLES = ("activity_log", "reconciliation_holds", "reconciliation_cycles", "reconciliation_state")


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    """A StatsD server of this test."""
    statsd = StatsdServer()
    yield statsd
    statsd.close()


@pytest.mark.long
def test_a_shadow_reports_exactly_what_the_application_gets_late_never_and_wrong() -> None:
    ended = run_script("shadow", "--seconds", "5", "--json")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    proof = json.loads(ended.stdout)
    assert proof["complaints"] == []
    assert proof["kills"] > 0
    assert min(proof["found"].values()) > 0, proof
    assert len(proof["found"]) == 4


def test_a_shadow_says_so_in_status_health_metrics_and_log(
    demo: Demo, reconcile: Start, start: Start, statsd: StatsdServer, tmp_path: Path
) -> None:
    demo.fill(orders=200, symbols=4, seed=21)
    wrong = len(demo.mismatches())
    path = tmp_path / "control.sock"
    settings = settings_of(demo) | {"RECONCILIATION_CONTROL_SOCKET": path}

    run = reconcile("--dry-run", RECONCILIATION_CONTROL_SOCKET=path, **statsd.environment)
    assert run.wait_for("supervisor.started")["mode"] == "shadow"
    run.wait_for("shadow.would_change", wrong)
    status = wait_for_status(path, lambda status: status.totals.scanned == 200)
    vitals = wait_for_answer(path, "health", Vitals, lambda vitals: vitals.last_hour.scanned == 200)
    health = start("health", "--json", **settings).end()
    statsd.read_until(lambda: statsd.total("shadow.would_change") == wrong)
    statsd.read_until(lambda: 1 in statsd.values["g", "shadow.active"])
    run.send(signal.SIGTERM)
    ended = run.end()
    after = start("health", "--json", **settings).end()
    statsd.read()

    assert status.mode is Mode.SHADOW
    assert status.shadow is not None
    assert (status.shadow.looked_at, status.shadow.changes.not_yet) == (200, wrong)
    assert vitals.is_shadow
    assert (health.exit_code, health.report["rows"][0]["name"]) == (0, "mode")
    assert (ended.exit_code, after.exit_code) == (0, 3), ended.err
    assert statsd.values["g", "shadow.active"][-1] == 0
    assert undocumented_metrics(statsd) == []
    written = [name for kind, name in statsd.values if kind == "c" and WRITES.fullmatch(name)]
    assert sum(statsd.total(name) for name in written) == 0
    words = " ".join(ended.out.split())
    assert "Shadow (nothing was written) looked at 200 " in words
    assert f"would have changed {wrong} the application got there by itself 0 not yet {wrong} " in (
        words
    )
    with connected(demo.database_url) as connection:
        assert len(demo.mismatches()) == wrong
        for table in TABLES:
            assert connection.execute(f"TABLE {table}").fetchall() == []


@pytest.fixture
def granted_url(demo: Demo) -> Iterator[str]:
    """The demo's database in a role with the rights that the document grants a shadow."""
    with connected(demo.database_url) as connection:
        name = connection.info.dbname
        connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC".encode())
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        (block,) = marked("shadow_grants")
        connection.execute(block.code.replace("DATABASE trading", f"DATABASE {name}").encode())
        yield demo.database_url.replace("//postgres:@", "//reconciler_shadow:@")
        connection.execute("DROP OWNED BY reconciler_shadow; DROP ROLE reconciler_shadow")


def test_a_shadow_with_the_documented_rights_keeps_the_halt_to_itself(
    demo: Demo, reconcile: Start, granted_url: str
) -> None:
    demo.fill(orders=120, symbols=2, seed=22)
    for order in list(demo.exchange.orders()):
        demo.exchange.remove_order(order.symbol, order.order_id)

    run = reconcile("--dry-run", "--json", DATABASE_URL=granted_url)
    run.wait_for("halt.applied")
    run.send(signal.SIGTERM)
    ended = run.end()

    assert (ended.exit_code, ended.report["halts"]) == (0, 1), ended.err
    with connected(demo.database_url) as connection:
        assert connection.execute("TABLE reconciliation_state").fetchall() == []
