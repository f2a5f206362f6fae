"""Compare and set leaves what a decision under the lock leaves, whatever the application writes.

The application writes each order at one moment: before the exchange is asked, after it, or while
the statement runs (after its snapshot, before it locks the row); or it holds the row's lock all the
time. The worker's handler works twice on the same rows: once as usual, and once as if it could not
read the versions of the rows, so that it decides under the lock.
"""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Policy, decide
from reconciler.domain.order import Side
from reconciler.domain.report import Absent, Answer, Archived, Report
from reconciler.domain.retention import Retention
from reconciler.domain.status import Status
from reconciler.domain.value import replace
from reconciler.exchanges.base import Account, LookupResult, OrderRef, Venue
from reconciler.exchanges.registry import venue
from reconciler.exchanges.request_policy import UsageCounter
from reconciler.orders.account import AccountVerifier
from reconciler.orders.clock import DatabaseClock
from reconciler.orders.handler import OrderHandler
from reconciler.resilience.breaker import Breaker
from reconciler.scope import UNSCOPED
from reconciler.settings import BreakerPolicy
from reconciler.store.database import Database
from reconciler.store.order_writer import OrderWriter
from reconciler.telemetry.metrics import NoMetrics
from reconciler.workload import Batch, Chunk

from .builders import (
    EXCHANGE,
    IN_THE_SIDE_TABLE,
    IS_WAITING_FOR_A_LOCK,
    STOP_AFTER_THE_SNAPSHOT,
    SYMBOL,
    Application,
    a_report,
    connect_application,
    has_side_table,
    in_both,
    insert_order,
    now_of,
    read_planned,
    shape_of,
    until,
)

EIGHT_PLACES = DecimalPlaces(8)
POLICY = Policy(
    quantity_scale=EIGHT_PLACES,
    price_scale=EIGHT_PLACES,
    ordered_scale=EIGHT_PLACES,
    retention=Retention(unfilled=timedelta(days=90)),
)
LONG_AGO, RECENTLY, SECOND = timedelta(hours=2), timedelta(seconds=30), timedelta(seconds=1)

BEFORE_THE_ANSWER, AFTER_THE_ANSWER, AMID_THE_STATEMENT, LOCKED = range(4)
"""The moments at which the application writes."""

SYNC = "UPDATE orders SET last_synced_at = %(at)s WHERE id = %(id)s"
WRITES = (
    "UPDATE orders SET status = 'partial', executed_qty = 0.5, avg_price = 7 WHERE id = %(id)s",
    "UPDATE orders SET status = 'filled', executed_qty = 1, updated_at = %(at)s WHERE id = %(id)s",
    "UPDATE orders SET status = 'canceled', updated_at = %(at)s WHERE id = %(id)s",
    "UPDATE orders SET updated_at = %(at)s WHERE id = %(id)s",
    "UPDATE orders SET updated_at = %(at)s + interval '1 hour' WHERE id = %(id)s",
    "UPDATE orders SET qty = 0.25 WHERE id = %(id)s",
    "UPDATE orders SET external_order_id = 'other' WHERE id = %(id)s",
    SYNC,
    "DELETE FROM orders WHERE id = %(id)s",
    "SELECT FROM orders WHERE id = %(id)s FOR KEY SHARE",
)
HOLD = """
    INSERT INTO reconciliation_holds
        (order_id, reason, detail, attempts, first_held_at, next_attempt_at, row_facts)
    VALUES (%(id)s, 'not_found', 'meanwhile', 1, now(), now(), '{}')"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One order: its row, what the exchange answers, and what the application does and when."""

    status: Status
    executed: str
    average: str | None
    is_side_known: bool
    answer: partial[Answer]
    when_and_what: tuple[int, str] | None

    @property
    def is_at_the_same_moment(self) -> bool:
        return self.when_and_what is not None and self.when_and_what[0] in {
            AMID_THE_STATEMENT,
            LOCKED,
        }


def an_answer(kind: type[Absent | Archived], id_: int, *, fetched_at: datetime) -> Answer:
    return kind(symbol=SYMBOL, external_order_id=str(id_), fetched_at=fetched_at)


def a_full_report(
    id_: int, *, fetched_at: datetime, side: Side | None, client_id: str | None, **facts: Any
) -> Report:
    report = a_report(id_, fetched_at=fetched_at, **facts)
    return replace(
        report,
        side=side,
        client_order_id=client_id,
        quantity=Decimal(1),
        placed_at=fetched_at - LONG_AGO,
        is_quote_sized=client_id is not None,
    )


# Few values, so that row and report often agree.
EXECUTED = st.sampled_from(["0", "0.5", "0.500000001", "1", "1E-8", "2"])
AVERAGES = st.none() | st.sampled_from(["7", "7.000000001", "1E-8"])
reports = st.builds(
    partial,
    st.just(a_full_report),
    status=st.none() | st.sampled_from(Status),
    executed=EXECUTED,
    average=AVERAGES,
    side=st.none() | st.just(Side.BUY),
    client_id=st.none() | st.sampled_from(["", 'a "b\\,\N{SNOWMAN}\x1f']),
    word=st.none() | st.sampled_from(["{NULL", "\N{SNOWMAN}\x07"]),
)
scenes = st.builds(
    Scene,
    status=st.sampled_from([Status.PENDING, Status.NEW, Status.NEW, Status.PARTIAL]),
    executed=st.sampled_from(["0", "0", "0.5"]),
    average=st.none() | st.just("7"),
    is_side_known=st.booleans(),
    answer=st.one_of(
        reports,
        reports,
        reports,
        st.builds(partial, st.just(an_answer), st.sampled_from([Absent, Archived])),
    ),
    when_and_what=st.none()
    | st.tuples(st.sampled_from(range(4)), st.sampled_from(WRITES))
    | st.tuples(st.sampled_from([BEFORE_THE_ANSWER, AFTER_THE_ANSWER]), st.just(HOLD)),
)


class ScriptedExchange:
    """Gives the answers that it was made with."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers

    @property
    def venue(self) -> Venue:
        return venue("paper")

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        answers = {
            OrderRef(symbol=answer.symbol, external_order_id=answer.external_order_id): answer
            for answer in self._answers
        }
        return LookupResult(answers={ref: answers[ref] for ref in refs})

    async def fetch_account(self) -> Account:
        return Account(identity="nobody", clock_offset=timedelta(0))

    async def fetch_clock_offset(self) -> timedelta:
        return timedelta(0)

    async def fetch_symbols(self) -> frozenset[str]:
        return frozenset()

    def request_symbol(self, symbol: str) -> str:
        return symbol

    async def close(self) -> None: ...


def a_handler(database: Database, exchange: ScriptedExchange) -> OrderHandler:
    return OrderHandler(
        exchange=exchange,
        breaker=Breaker(BreakerPolicy()),
        usage=UsageCounter(),
        database=database,
        writer=OrderWriter(
            shape_of(database), exchange=EXCHANGE, decide=partial(decide, policy=POLICY)
        ),
        policy=POLICY,
        clock=DatabaseClock(),
        metrics=NoMetrics(),
        rows_per_transaction=100,
        query_timeout_seconds=60.0,
        is_dry_run=False,
        # It writes to the table that the test replaces.
        account=AccountVerifier(
            exchange=exchange, database=database, scope=UNSCOPED, is_dry_run=True
        ),
    )


FORGET = "TRUNCATE orders, activity_log, reconciliation_holds"
LEFT = """
    SELECT
        (SELECT jsonb_agg(to_jsonb(orders) || jsonb_build_object('updated_at',
            CASE WHEN updated_at BETWEEN %(start)s AND now() THEN 'now' ELSE updated_at::text END)
            ORDER BY id) FROM orders) AS orders,
        (SELECT jsonb_agg(jsonb_build_array(order_id, action, details) ORDER BY order_id)
            FROM activity_log) AS log,
        (SELECT jsonb_agg(jsonb_build_array(order_id, reason, detail, attempts, row_facts, report,
            resolution, resolved_at IS NULL, next_attempt_at > now()) ORDER BY order_id)
            FROM reconciliation_holds) AS holds"""


TIMES_LEFT = "SELECT * FROM reconciliation_sync ORDER BY order_id"
SYNC_ELSEWHERE = "UPDATE reconciliation_sync SET last_synced_at = %(at)s WHERE order_id = %(id)s"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Plays scenes on the database: a worker, and an application with two sessions."""

    database: Database
    application: Application
    locking: Application

    def play(self, scenes: Sequence[Scene], now: datetime, *, with_versions: bool) -> object:
        """Return what is in the tables afterwards, and what was counted."""
        asked_at = now - RECENTLY
        self.application.execute(FORGET)
        has_times = has_side_table(self.application)
        if has_times:
            self.application.execute("TRUNCATE reconciliation_sync")
        for id_, scene in enumerate(scenes, start=1):
            self._insert(id_, scene, now)
        planned = [
            order if with_versions else replace(order, version="")
            for order in read_planned(self.database).values()
        ]
        self._write(scenes, BEFORE_THE_ANSWER, at=asked_at - SECOND)
        answers = [scene.answer(id_, fetched_at=asked_at) for id_, scene in enumerate(scenes, 1)]
        handler = a_handler(self.database, ScriptedExchange(answers))
        batch = Batch(number=0, cycle=0, chunks=(Chunk(key=SYMBOL, items=tuple(planned)),))
        asyncio.run(handler.prepare(batch))
        self._write(scenes, AFTER_THE_ANSWER, at=asked_at + SECOND)
        with self.locking.transaction(), ThreadPoolExecutor() as executor:
            self._write(scenes, LOCKED, at=asked_at + SECOND)
            self.application.execute("SELECT pg_advisory_lock(1)")
            running = executor.submit(asyncio.run, handler.commit(batch, may_write=True))
            until(self.application, IS_WAITING_FOR_A_LOCK, "reconciler test")
            self._write(scenes, AMID_THE_STATEMENT, at=asked_at + SECOND)
            self.application.execute("SELECT pg_advisory_unlock(1)")
            result = running.result()
        left = self.application.execute(LEFT, {"start": now}).fetchone()
        times = self.application.execute(TIMES_LEFT).fetchall() if has_times else None
        skipped = {order.id for chunk in result.skipped for order in chunk.items}
        return left, times, result.counts, skipped

    def _insert(self, id_: int, scene: Scene, now: datetime) -> None:
        insert_order(
            self.application,
            id_,
            status=scene.status.value,
            executed_qty=scene.executed,
            avg_price=scene.average,
            qty=1,
            side="BUY" if scene.is_side_known else None,
            client_order_id='a "b\\,\N{SNOWMAN}\x1f',
            created_at=now - LONG_AGO,
            updated_at=now - LONG_AGO,
            last_synced_at=now - LONG_AGO if id_ % 2 else None,
        )

    def _write(self, scenes: Sequence[Scene], moment: int, *, at: datetime) -> None:
        session = self.locking if moment == LOCKED else self.application
        for id_, scene in enumerate(scenes, start=1):
            if scene.when_and_what is not None and scene.when_and_what[0] == moment:
                what = scene.when_and_what[1]
                if what == SYNC and has_side_table(self.application):
                    what = SYNC_ELSEWHERE
                session.execute(what, {"id": id_, "at": at})


@pytest.fixture
def stage(database: Database, database_url: str, application: Application) -> Iterator[Stage]:
    application.execute(STOP_AFTER_THE_SNAPSHOT)
    with connect_application(database_url) as locking:
        yield Stage(database=database, application=application, locking=locking)


@in_both
@settings(
    max_examples=18,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=st.lists(scenes, min_size=1, max_size=12))
def test_it_leaves_the_same_rows_log_and_holds(
    batch: list[Scene], stage: Stage, database: Database, sync_times: str
) -> None:
    now = now_of(database)
    if sync_times == IN_THE_SIDE_TABLE:
        # A confirm waits for no lock then: a write at the same moment comes after it.
        batch = [scene for scene in batch if not scene.is_at_the_same_moment]
    assume(batch)

    assert stage.play(batch, now, with_versions=True) == stage.play(batch, now, with_versions=False)
