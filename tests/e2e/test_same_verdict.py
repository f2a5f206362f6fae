"""The supervisor and the database give the same verdict, whatever the trouble is."""

import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from reconciler.demo import Demo
from reconciler.health_report import HealthReport, HealthSource, read_health
from reconciler.paper.process import PaperProcess
from reconciler.settings import Settings
from reconciler.telemetry.health import CAUSES, Grade, Slug
from tests.polling import until_deadline

from .commands import DEADLINE_SECONDS
from .conftest import AMPLE, KEY, SECRET, Start, settings_of
from .control import wait_for_status
from .rows import connected

A_SECOND = 1 / 60
"""A stale time of one second, in minutes."""

HALT = """INSERT INTO reconciliation_state
    VALUES ('halt', '{"reason": "41 of 50 vanished"}', now(), 'ada')"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


class Answers(NamedTuple):
    """The answers of the supervisor and of the database."""

    supervisor: HealthReport
    database: HealthReport

    @property
    def are_same(self) -> bool:
        return _without_ages(self.supervisor) == _without_ages(self.database)


def _without_ages(report: HealthReport) -> list[tuple[str, str, str]]:
    rows = [(row.slug, row.value, row.grade) for row in report.rows]
    return [
        (slug, re.sub(r"(\d[\d.]* (d|h|min|s)\b ?)+", "# ", value), grade)
        for slug, value, grade in rows
    ]


@pytest.fixture
def paper() -> Iterator[PaperProcess]:
    """An exchange of this test, since its bans must not meet the next one."""
    with PaperProcess(api_key=KEY, api_secret=SECRET, options=AMPLE) as paper:
        yield paper


Ask = Callable[[Path], HealthReport]


@pytest.fixture
def ask(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return the verdict that a person gets who uses a control socket."""

    def read(path: Path) -> HealthReport:
        settings = settings_of(demo) | {"RECONCILIATION_CONTROL_SOCKET": path}
        with monkeypatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, str(value))
            return read_health(Settings.load())

    return read


def wait_until_same(ask: Ask, path: Path, is_so: Callable[[HealthReport], bool]) -> HealthReport:
    """Ask supervisor and database until both give the same verdict and it is so; return it."""
    answers = None
    for _ in until_deadline(DEADLINE_SECONDS):
        answers = Answers(ask(path), ask(path.with_name("nobody.sock")))
        if answers.are_same and is_so(answers.supervisor):
            assert answers.supervisor.source is HealthSource.SUPERVISOR
            assert answers.database.source is HealthSource.DATABASE
            return answers.supervisor
    raise AssertionError(f"it never became so: {answers}")


def grade_of(report: HealthReport, slug: Slug) -> Grade | None:
    return next((row.grade for row in report.rows if row.slug is slug), None)


def value_of(report: HealthReport, slug: Slug) -> str:
    return next(row.value for row in report.rows if row.slug is slug)


class Trouble(NamedTuple):
    """A kind of trouble: how it is made, and the row that names it."""

    slug: Slug
    grade: Grade
    says: str
    environment: Mapping[str, Any] = MappingProxyType({})
    faults: Mapping[str, Any] = MappingProxyType({})
    sql: str | None = None


TROUBLES = {
    "exchange down": Trouble(
        Slug.EXCHANGE,
        Grade.CRITICAL,
        "HTTP",
        {"RECONCILIATION_BREAKER_OPEN_MS": 600_000},
        {"error_rate": 1},
    ),
    "refused key": Trouble(
        Slug.ACCOUNTS,
        Grade.CRITICAL,
        "code -1022",
        {"EXCHANGE_API_SECRET": "another", "RECONCILIATION_BREAKER_OPEN_MS": 600_000},
    ),
    "halt": Trouble(Slug.HALT, Grade.CRITICAL, "not found", faults={"vanished_rate": 1}),
    "holds": Trouble(
        Slug.HOLDS,
        Grade.CRITICAL,
        "40 of ",
        sql="UPDATE orders SET status = 'new', external_order_id = 'none-' || id WHERE id % 5 = 0",
    ),
    "banned": Trouble(
        Slug.PAUSE,
        Grade.WARNING,
        "wants no requests",
        faults={"ban_rate": 1, "ban_seconds": 3600},
    ),
    "budget too small": Trouble(
        Slug.BACKLOG,
        Grade.WARNING,
        " can do ",
        {"RECONCILIATION_RATE_SHARE": 0.0001, "RECONCILIATION_STALE_MINUTES": A_SECOND},
    ),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_supervisor_and_database_name_the_same_trouble(
    demo: Demo, reconcile: Start, ask: Ask, path: Path, trouble: Trouble
) -> None:
    demo.fill(orders=200, symbols=4, seed=31)
    # The first sync is no alarm, and is over once a cycle of a former run is recorded.
    with connected(demo.database_url) as connection:
        connection.execute(FORMER_CYCLE)
        if trouble.sql is not None:
            connection.execute(trouble.sql)
    if trouble.faults:
        demo.exchange.set_faults(**trouble.faults)

    reconcile(RECONCILIATION_CONTROL_SOCKET=path, **trouble.environment)
    report = wait_until_same(
        ask, path, lambda report: grade_of(report, trouble.slug) is trouble.grade
    )

    assert trouble.says in value_of(report, trouble.slug)
    assert grade_of(report, Slug.SUPERVISOR) is Grade.HEALTHY
    if trouble.slug in CAUSES:
        assert report.reasons[0].slug is trouble.slug
    elif trouble.grade is Grade.CRITICAL:
        assert trouble.slug in [row.slug for row in report.reasons]


FORMER_CYCLE = """
    INSERT INTO reconciliation_cycles (host, started_at, finished_at, duration_ms, scanned,
        reconciled, discrepancies, errors, held, skipped_locked, requests, weight, transitions)
    SELECT 'former', moment, moment, 10, 1, 0, 0, 0, 0, 0, 1, 1, '{}'
    FROM (SELECT now() - interval '2 hours' AS moment) AS finished
"""


def test_all_orders_stale_is_said_while_a_cycle_is_going_on_and_the_first_sync_never_ended(
    demo: Demo, reconcile: Start, ask: Ask, path: Path
) -> None:
    demo.fill(orders=200, symbols=4, seed=33)
    with connected(demo.database_url) as connection:
        connection.execute(FIRST_SYNC_WITHOUT_END)
        connection.execute("UPDATE orders SET last_synced_at = now() - interval '99 s'")
    demo.exchange.set_faults(latency_ms=5000)

    reconcile(RECONCILIATION_CONTROL_SOCKET=path, RECONCILIATION_STALE_MINUTES=0.1)
    report = wait_until_same(ask, path, lambda report: report.status is Grade.CRITICAL)

    assert Slug.OLDEST_STALE in [row.slug for row in report.reasons]
    assert value_of(report, Slug.OLDEST_STALE).endswith(" s, of 200 that are after 6 s")
    assert value_of(report, Slug.BACKLOG).startswith("200 stale; ")


FIRST_SYNC_WITHOUT_END = """
    INSERT INTO reconciliation_state (scope, key, value, changed_at, changed_by)
    VALUES ('', 'first_sync', jsonb_build_object('began_at', now() - interval '5 min'), now(), 'me')
"""


def test_supervisor_and_database_agree_that_all_is_well(
    reconcile: Start, ask: Ask, path: Path
) -> None:
    reconcile(RECONCILIATION_CONTROL_SOCKET=path)

    # Before the first cycle has ended, its duration is not known, and nothing is wrong.
    report = wait_until_same(
        ask, path, lambda report: {row.grade for row in report.rows} == {Grade.HEALTHY}
    )

    assert (report.status, report.reasons) == (Grade.HEALTHY, ())
    assert value_of(report, Slug.SUPERVISOR) == (
        f"1 running: {socket.gethostname()} (heard 0 s ago)"
    )


def test_parked_shard_is_a_warning_in_both_answers(reconcile: Start, ask: Ask, path: Path) -> None:
    reconcile(RECONCILIATION_CONTROL_SOCKET=path, RECONCILIATION_RESTART_MAX=1)

    kill_until_parked(path)
    report = wait_until_same(
        ask, path, lambda report: grade_of(report, Slug.SHARDS) is Grade.WARNING
    )

    assert value_of(report, Slug.SHARDS) == "1 of 2 parked: their workers kept dying"


def kill_until_parked(path: Path) -> None:
    while (status := wait_for_status(path, lambda _: True)).shards.parked == 0:
        pid = next((worker.pid for worker in status.workers if worker.shard == 0), None)
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_two_supervisors_and_the_database_give_one_answer(
    demo: Demo, reconcile: Start, ask: Ask, path: Path
) -> None:
    other_path = path.with_name("other.sock")
    demo.fill(orders=200, symbols=4, seed=32)
    stale = {"RECONCILIATION_STALE_MINUTES": A_SECOND}
    # The refused one first, alone: next to another, it may find no order that it must ask about.
    reconcile(
        RECONCILIATION_CONTROL_SOCKET=other_path,
        EXCHANGE_API_SECRET="another",
        **stale,
    )
    wait_until_same(
        ask, other_path, lambda report: grade_of(report, Slug.ACCOUNTS) is Grade.CRITICAL
    )
    reconcile(RECONCILIATION_CONTROL_SOCKET=path, **stale)

    report = wait_until_same(
        ask, path, lambda report: grade_of(report, Slug.ACCOUNTS) is Grade.WARNING
    )
    other = wait_until_same(
        ask, other_path, lambda report: grade_of(report, Slug.ACCOUNTS) is Grade.WARNING
    )

    assert value_of(report, Slug.ACCOUNTS) == value_of(other, Slug.ACCOUNTS)
    assert value_of(report, Slug.SUPERVISOR).startswith("2 running: ")


def test_killed_supervisor_is_said_to_be_silent_and_a_stopped_one_is_not_mentioned(
    demo: Demo, reconcile: Start, ask: Ask, path: Path
) -> None:
    run = reconcile(RECONCILIATION_CONTROL_SOCKET=path)
    wait_until_same(ask, path, lambda report: report.status is Grade.HEALTHY)

    run.send(signal.SIGKILL)
    run.end()
    with connected(demo.database_url) as connection:
        connection.execute(
            "UPDATE reconciliation_state SET changed_at = changed_at - interval '301 s'"
        )
    killed = ask(path)
    successor = reconcile(RECONCILIATION_CONTROL_SOCKET=path)
    wait_until_same(ask, path, lambda report: grade_of(report, Slug.SUPERVISOR) is Grade.HEALTHY)
    successor.send(signal.SIGTERM)
    ended = successor.end()
    stopped = ask(path)

    assert killed.source is HealthSource.DATABASE
    assert grade_of(killed, Slug.SUPERVISOR) is Grade.CRITICAL
    assert "is gone without a stop: last heard " in value_of(killed, Slug.SUPERVISOR)
    assert value_of(killed, Slug.BREAKERS).startswith("all closed, as last recorded ")
    assert ended.exit_code == 0, ended.err
    assert value_of(stopped, Slug.SUPERVISOR) == "none runs"
