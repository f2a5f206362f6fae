"""The proof of the shadow: it writes nothing, and reports what the application does and when.

A shadow runs in a role that may only read, next to an application that is late, wrong or absent.
Its workers are killed, its connections cut, and its settings read again. Then each order that it
would have changed is compared with what the application noted.
"""

import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import text

from reconciler.cli.interrupts import interrupt_on_signals
from reconciler.control.address import ControlAddress
from reconciler.control.client import ask
from reconciler.demo import Demo, open_demo
from reconciler.errors import NoSupervisor
from reconciler.store.tables import metadata
from reconciler.supervisor.status import SupervisorStatus
from tests.chaos.late_application import Act, Fate, LateApplication, differing_rows
from tests.e2e.commands import EndedCommand, RunningCommand

STALE_SECONDS = 3.0
KILLS = 5
DELAY_SHARE = 0.3
"""The longest delay of the application, as a share of the whole time."""

SLACK_SECONDS = 30.0
"""How much too long a delay may be measured on a busy machine; on an idle one it is a second."""

SLACK_SHARE = 0.06
CLOCK_SECONDS = 0.5
HANG_SECONDS = 300.0

VERDICTS = {
    "shadow.application_caught_up": "caught up",
    "shadow.ended_otherwise": "ended otherwise",
    "shadow.row_gone": "gone",
}
EXPECTED = {
    Fate.PROMPT: "caught up",
    Fate.LATE: "caught up",
    Fate.OTHERWISE: "ended otherwise",
    Fate.DELETED: "gone",
}
NOT_YET = "not yet"

CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shadow_reader'"


@dataclass(frozen=True, kw_only=True)
class ShadowProof:
    """The result; `complaints` says what is wrong.

    Attributes:
        found: The changes that the shadow would have made, by what became of them.
        median_seconds: The median delay by the application's own notes; `reported`: as reported.
        worst_error_seconds: By how much the delay of an order was measured wrong at most.
        writes: What the application wrote.
    """

    seconds: float
    seed: int
    kills: int
    looked_at: int
    found: Mapping[str, int]
    median_seconds: float
    reported_median_seconds: float
    longest_seconds: float
    reported_longest_seconds: float
    worst_error_seconds: float
    writes: Mapping[str, int]
    complaints: Sequence[str]


def prove_shadow(seconds: float, seed: int) -> ShadowProof:
    """Run a shadow next to an application for `seconds`; compare its report with the truth."""
    rng = random.Random(seed)  # noqa: S311 - to be reproducible, not secret
    with (
        interrupt_on_signals(),
        open_demo(options=("--weight-limit", "100000000")) as demo,
        tempfile.TemporaryDirectory() as folder,
        psycopg.connect(demo.database_url, autocommit=True) as connection,
    ):
        demo.fill(orders=300, symbols=6, seed=seed)
        with demo.database.autocommit() as filling:
            filling.execute(text("SELECT pg_stat_force_next_flush()"))
        before = _our_rows(connection), _writes_of_orders(connection)
        with _running_shadow(demo, connection, Path(folder)) as run:
            _wait_until_seen(run, _differing_ids(demo, connection))
            application = LateApplication(
                demo, longest_delay_seconds=max(2.0, seconds * DELAY_SHARE), rng=rng
            )
            with application:
                kills = _disturb_for(seconds, run, connection, rng)
            left = _differing_ids(demo, connection)
            _wait_until_seen(run, left)
            run.send(signal.SIGTERM)
            ended = run.end()
            after = _our_rows(connection), _writes_of_orders(connection)
            written = after[1] - before[1]
            return _judge(
                seconds=seconds,
                seed=seed,
                kills=kills,
                run=run,
                ended=ended,
                application=application,
                left=left,
                wrong_writes=[
                    *(["one of our tables was written"] if before[0] != after[0] else ()),
                    *_foreign_writes(application.writes, written),
                ],
            )


def _running_shadow(
    demo: Demo, connection: psycopg.Connection[Any], folder: Path
) -> RunningCommand:
    """Return the command, which is not started yet, in a role that may only read."""
    connection.execute("CREATE ROLE shadow_reader LOGIN")
    connection.execute("GRANT USAGE ON SCHEMA public TO shadow_reader")
    connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO shadow_reader")
    environment = {
        **demo.environment,
        "DATABASE_URL": _reader_url(demo),
        "RECONCILIATION_STALE_MINUTES": STALE_SECONDS / 60,
        "RECONCILIATION_INTERVAL_MS": 300,
        "RECONCILIATION_SHARDS": 2,
        "RECONCILIATION_RATE_SHARE": 1,
        "LOG_FORMAT": "json",
    }
    return RunningCommand(("run", "--dry-run", "--json"), environment=environment, folder=folder)


def _reader_url(demo: Demo) -> str:
    return demo.database_url.replace("//postgres:@", "//shadow_reader:@")


def _disturb_for(
    seconds: float,
    run: RunningCommand,
    connection: psycopg.Connection[Any],
    rng: random.Random,
) -> int:
    """Kill workers, cut all connections, and have the settings read again; return the kills."""
    started, kills = time.monotonic(), 0
    steps = [(rng.uniform(0.1, 0.9), "kill") for _ in range(KILLS)]
    for share, step in sorted([*steps, (0.4, "cut"), (0.5, "reload")]):
        time.sleep(max(0.0, started + share * seconds - time.monotonic()))
        match step:
            case "kill":
                kills += _kill_worker(run, rng)
            case "cut":
                connection.execute(CUT)
            case _:
                run.send(signal.SIGHUP)
                run.wait_for("supervisor.reloaded")
    time.sleep(max(0.0, started + seconds - time.monotonic()))
    return kills


def _kill_worker(run: RunningCommand, rng: random.Random) -> int:
    with suppress(NoSupervisor, ProcessLookupError):
        status = ask(_address_of(run), "status", SupervisorStatus)
        pids = [worker.pid for worker in status.workers if worker.pid is not None]
        if pids:
            os.kill(rng.choice(pids), signal.SIGKILL)
            return 1
    return 0


def _address_of(run: RunningCommand) -> ControlAddress:
    return ControlAddress.of_database(run.environment["DATABASE_URL"])


def _differing_ids(demo: Demo, connection: psycopg.Connection[Any]) -> set[int]:
    return {row_id for row_id, _, _ in differing_rows(demo, connection)}


def _wait_until_seen(run: RunningCommand, row_ids: set[int]) -> None:
    """Wait until the shadow has said of each row that it would change it."""
    deadline = time.monotonic() + HANG_SECONDS
    while row_ids - _would_change(run).keys():
        if time.monotonic() > deadline:
            return  # The judgement says which are missing.
        time.sleep(0.2)


def _would_change(run: RunningCommand) -> dict[int, float]:
    """Return the orders that it would have changed, and when it said so, in Unix seconds."""
    return {int(line["order_id"]): _at(line) for line in run.logged("shadow.would_change")}


def _at(line: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def _our_rows(connection: psycopg.Connection[Any]) -> list[Any]:
    """Return all rows of our tables."""
    statement = "SELECT array_agg(t::text ORDER BY t::text) FROM {} AS t"
    return [
        connection.execute(sql.SQL(statement).format(sql.Identifier(name))).fetchone()
        for name in sorted(metadata.tables)
        if _exists(connection, name)
    ]


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("SELECT to_regclass(%s)", (name,)).fetchone() != (None,)


def _writes_of_orders(connection: psycopg.Connection[Any]) -> Counter[str]:
    """Return how many rows of `orders` were ever inserted, updated and deleted, by anyone."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT pg_stat_clear_snapshot()")
    row = connection.execute(
        "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables WHERE relname = 'orders'"
    ).fetchone()
    return Counter(dict(zip(("inserted", "updated", "deleted"), row or (), strict=True)))


def _foreign_writes(own: Mapping[str, int], written: Mapping[str, int]) -> Iterator[str]:
    for kind in ("inserted", "updated", "deleted"):
        if written.get(kind, 0) != own.get(kind, 0):
            yield f"{written.get(kind, 0)} rows were {kind}, {own.get(kind, 0)} by the application"


def _judge(
    *,
    seconds: float,
    seed: int,
    kills: int,
    run: RunningCommand,
    ended: EndedCommand,
    application: LateApplication,
    left: set[int],
    wrong_writes: Sequence[str],
) -> ShadowProof:
    report = ended.report
    would_change = _would_change(run)
    verdicts = _verdicts(run)
    delays = _true_delays(would_change, application.acts)
    errors = {id_: verdicts[id_][1] - delay for id_, delay in delays.items() if id_ in verdicts}
    complaints = [
        *wrong_writes,
        *_wrong_end(run, ended),
        *_wrong_verdicts(would_change, verdicts, application.acts),
        *_wrong_delays(delays, errors),
        *_wrong_report(report, would_change, verdicts, left),
    ]
    return ShadowProof(
        seconds=seconds,
        seed=seed,
        kills=kills,
        looked_at=report["looked_at"],
        found={NOT_YET: report["not_yet"], **Counter(verdict for verdict, _ in verdicts.values())},
        median_seconds=round(median(delays.values()), 1) if delays else 0.0,
        reported_median_seconds=report["median_seconds"] or 0.0,
        longest_seconds=round(max(delays.values(), default=0.0), 1),
        reported_longest_seconds=report["longest_seconds"] or 0.0,
        worst_error_seconds=round(max(map(abs, errors.values()), default=0.0), 1),
        writes=application.writes,
        complaints=complaints,
    )


def _verdicts(run: RunningCommand) -> dict[int, tuple[str, float]]:
    """Return what the shadow said became of each order, and after how many seconds."""
    return {
        int(line["order_id"]): (verdict, line["seconds"])
        for event, verdict in VERDICTS.items()
        for line in run.logged(event)
    }


def _true_delays(would_change: Mapping[int, float], acts: Mapping[int, Act]) -> dict[int, float]:
    """Return how much later the application wrote what the shadow would have written."""
    return {
        row_id: max(0.0, acts[row_id].at - at)
        for row_id, at in would_change.items()
        if row_id in acts and EXPECTED[acts[row_id].fate] == "caught up"
    }


def _wrong_end(run: RunningCommand, ended: EndedCommand) -> Iterator[str]:
    if ended.exit_code:
        yield f"it ended with code {ended.exit_code}"
    for event in ("shadow.follower_crashed", "supervisor.bug", "worker.bug", "halt.applied"):
        yield from (f"{event}: {line}" for line in run.logged(event))


def _wrong_verdicts(
    would_change: Mapping[int, float],
    verdicts: Mapping[int, tuple[str, float]],
    acts: Mapping[int, Act],
) -> Iterator[str]:
    for row_id in would_change:
        expected = EXPECTED[acts[row_id].fate] if row_id in acts else NOT_YET
        found, _ = verdicts.get(row_id, (NOT_YET, 0.0))
        if found != expected:
            yield f"order {row_id}: the shadow says {found}, the application {expected}"


def _wrong_delays(delays: Mapping[int, float], errors: Mapping[int, float]) -> Iterator[str]:
    for row_id, error in errors.items():
        if not -CLOCK_SECONDS <= error <= SLACK_SECONDS + delays[row_id] * SLACK_SHARE:
            yield f"order {row_id}: {delays[row_id]:.1f} s late, measured {error:+.1f} s wrong"


def _wrong_report(
    report: Mapping[str, Any],
    would_change: Mapping[int, float],
    verdicts: Mapping[int, tuple[str, float]],
    left: set[int],
) -> Iterator[str]:
    """Compare the report with the log, and with the rows that were open and wrong at the end."""
    counts = Counter(verdict for verdict, _ in verdicts.values())
    expected = {
        "would_change": len(would_change),
        "caught_up": counts["caught up"],
        "elsewhere": counts["ended otherwise"],
        "gone": counts["gone"],
        "not_yet": len(left),
    }
    found = {key: report[key] for key in expected}
    if found != expected:
        yield f"the report says {found}, true is {expected}"
    named = {int(order["order_id"]) for order in report["not_yet_orders"]}
    if not named <= left or len(named) != min(len(left), 1000):
        yield f"not yet: {sorted(named - left)} are right, {sorted(left - named)} are missing"
