"""No order gets an end that the exchange never reported, whatever the exchange answers and when.

A simulated exchange has orders that change from round to round. In each round it answers for each
order truly, falsely or not at all. The worker's own handler writes to a real database.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from itertools import count, pairwise
from typing import assert_never

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from reconciler.domain.column_scale import DecimalPlaces
from reconciler.domain.decide import Policy, decide
from reconciler.domain.order import Facts
from reconciler.domain.report import Absent, Answer, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import Unavailable
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
from reconciler.store.orders_table import read_orders_table
from reconciler.store.stale_order import StaleOrder
from reconciler.telemetry.metrics import NoMetrics
from reconciler.workload import Batch, Chunk

SYMBOL = "BTCUSDT"
PRICE = Decimal(10)
OPEN_LIFECYCLES = ((Status.NEW, "0"),), ((Status.NEW, "0"), (Status.PARTIAL, "2"))
ENDS = (
    (Status.FILLED, "4"),
    (Status.CANCELED, "2"),
    (Status.CANCELED, "0"),
    (Status.EXPIRED, "2"),
    (Status.REJECTED, "0"),
)

Lifecycle = tuple[tuple[Status, str], ...]


class AnswerKind(StrEnum):
    """The way in which the exchange answers for an order."""

    TRUE = "true"
    OLD = "old"
    UNKNOWN_WORD = "unknown word"
    SHRUNK = "shrunk"
    CONTRADICTORY = "contradictory"
    ABSENT = "absent"
    ORDER_FAULT = "unanswerable"
    OF_ANOTHER = "of another"
    FAILURE = "failure"
    NONE = "silence"


@dataclass(frozen=True, kw_only=True)
class OrderRound:
    """The change of one order in one round, and the answer for it."""

    changes: bool
    answer_kind: AnswerKind
    may_write: bool


@dataclass(kw_only=True)
class SimulatedOrder:
    """An order at the exchange, and the ends that the exchange has truly reported for it."""

    lifecycle: Lifecycle
    now: int = 0
    answer_kind: AnswerKind = AnswerKind.TRUE
    reported_ends: list[Facts] = field(default_factory=list)

    def take(self, round_: OrderRound) -> None:
        self.now = min(self.now + round_.changes, len(self.lifecycle) - 1)
        self.answer_kind = round_.answer_kind

    def facts(self, stage: int) -> Facts:
        status, executed = self.lifecycle[stage]
        executed_qty = Decimal(executed)
        return Facts(
            status=status, executed_qty=executed_qty, avg_price=PRICE if executed_qty else None
        )


@dataclass(kw_only=True)
class SimulatedExchange:
    """An exchange that answers for each order as its `answer_kind` says."""

    clock: DatabaseClock
    orders: dict[str, SimulatedOrder]

    @property
    def venue(self) -> Venue:
        return venue("paper", "http://127.0.0.1:9")

    async def fetch_account(self) -> Account:
        return Account(identity="1", clock_offset=timedelta(0))

    async def fetch_clock_offset(self) -> timedelta:
        return timedelta(0)

    async def fetch_symbols(self) -> frozenset[str]:
        return frozenset()

    def request_symbol(self, symbol: str) -> str:
        return symbol

    async def close(self) -> None:
        pass

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        answers = LookupResult()
        for one in refs:
            order = self.orders[one.external_order_id]
            if order.answer_kind is AnswerKind.FAILURE:
                answers.failures[one] = Unavailable("no answer")
            elif (answer := self._answer(one, order)) is not None:
                answers.answers[one] = answer
        return answers

    def _answer(  # noqa: C901, PLR0911 - a flat table of answers
        self, ref: OrderRef, order: SimulatedOrder
    ) -> Answer | None:
        about = partial(self._report, ref)
        truth = order.facts(order.now)
        match order.answer_kind:
            case AnswerKind.TRUE:
                if truth.status.is_terminal:
                    order.reported_ends.append(truth)
                return about(truth.status, truth.executed_qty)
            case AnswerKind.OLD:
                old = order.facts(max(0, order.now - 1))
                return about(old.status, old.executed_qty)
            case AnswerKind.UNKNOWN_WORD:
                return about(None, truth.executed_qty)
            case AnswerKind.SHRUNK:
                return about(Status.PARTIAL, Decimal(1))
            case AnswerKind.CONTRADICTORY:
                return about(Status.FILLED, Decimal(0))
            case AnswerKind.OF_ANOTHER:
                another = OrderRef(symbol=SYMBOL, external_order_id="another")
                return self._report(another, Status.CANCELED, Decimal(0))
            case AnswerKind.ABSENT:
                return Absent(
                    symbol=SYMBOL,
                    external_order_id=ref.external_order_id,
                    fetched_at=self.clock(),
                )
            case AnswerKind.ORDER_FAULT:
                return OrderFault(
                    symbol=SYMBOL,
                    external_order_id=ref.external_order_id,
                    detail="no such symbol",
                    fetched_at=self.clock(),
                )
            case AnswerKind.NONE | AnswerKind.FAILURE:
                return None
            case _:
                assert_never(order.answer_kind)

    def _report(self, ref: OrderRef, status: Status | None, executed_qty: Decimal) -> Report:
        return Report(
            symbol=ref.symbol,
            external_order_id=ref.external_order_id,
            word="UNDER_REVIEW" if status is None else status.value.upper(),
            status=status,
            executed_qty=executed_qty,
            avg_price=PRICE if executed_qty else None,
            fetched_at=self.clock(),
        )


def grows(lifecycle: Lifecycle) -> bool:
    return all(Decimal(before[1]) <= Decimal(after[1]) for before, after in pairwise(lifecycle))


lifecycles = st.builds(
    lambda opening, end: (*opening, *end),
    st.sampled_from(OPEN_LIFECYCLES),
    st.sampled_from([*((end,) for end in ENDS), ()]),
).filter(grows)
order_rounds = st.builds(
    OrderRound,
    changes=st.booleans(),
    answer_kind=st.sampled_from(AnswerKind),
    may_write=st.booleans(),
)
scenarios = st.lists(lifecycles, min_size=1, max_size=4).flatmap(
    lambda chosen: st.tuples(
        st.just(chosen),
        st.lists(
            st.lists(order_rounds, min_size=len(chosen), max_size=len(chosen)),
            min_size=1,
            max_size=6,
        ),
    )
)

numbers = count(1)


POLICY = Policy(quantity_scale=DecimalPlaces(8), price_scale=DecimalPlaces(8))


@pytest.fixture
def clock() -> DatabaseClock:
    return DatabaseClock()


@pytest.fixture
def writer(database: Database) -> OrderWriter:
    with database.autocommit() as connection:
        orders = read_orders_table(connection)
    return OrderWriter(orders, exchange="paper", decide=partial(decide, policy=POLICY))


def a_handler(database: Database, writer: OrderWriter, exchange: SimulatedExchange) -> OrderHandler:
    return OrderHandler(
        exchange=exchange,
        breaker=Breaker(BreakerPolicy()),
        usage=UsageCounter(),
        database=database,
        writer=writer,
        policy=POLICY,
        clock=exchange.clock,
        metrics=NoMetrics(),
        rows_per_transaction=100,
        query_timeout_seconds=60.0,
        is_dry_run=False,
        account=AccountVerifier(
            exchange=exchange, database=database, scope=UNSCOPED, is_dry_run=False
        ),
    )


def write_rows(database: Database, ids: Sequence[int]) -> None:
    with database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO orders (id, symbol, external_order_id, status, created_at, updated_at)"
                " SELECT id, :symbol, id::text, 'new', now() - interval '1 h', now() - interval"
                " '1 h' FROM unnest(cast(:ids AS bigint[])) AS id"
            ),
            {"symbol": SYMBOL, "ids": list(ids)},
        )


def read_rows(database: Database, ids: Sequence[int]) -> dict[int, StaleOrder]:
    statement = text(
        "SELECT id, external_order_id, status, executed_qty, avg_price, created_at, xmin::text AS"
        " version FROM orders WHERE id = ANY(:ids)"
    )
    with database.autocommit() as connection:
        rows = connection.execute(statement, {"ids": list(ids)}).all()
    return {
        row.id: StaleOrder(
            id=row.id,
            symbol=SYMBOL,
            external_order_id=row.external_order_id,
            status=Status(row.status),
            executed_qty=row.executed_qty,
            avg_price=row.avg_price,
            created_at=row.created_at,
            is_on_hold=False,
            version=row.version,
        )
        for row in rows
    }


@given(scenario=scenarios)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_reaches_an_end_that_the_exchange_never_reported(
    database: Database,
    writer: OrderWriter,
    clock: DatabaseClock,
    scenario: tuple[list[Lifecycle], list[list[OrderRound]]],
) -> None:
    lifecycles, rounds = scenario
    ids = [next(numbers) for _ in lifecycles]
    orders = {
        str(id_): SimulatedOrder(lifecycle=lifecycle)
        for id_, lifecycle in zip(ids, lifecycles, strict=True)
    }
    exchange = SimulatedExchange(clock=clock, orders=orders)
    handler = a_handler(database, writer, exchange)
    write_rows(database, ids)

    for number, chosen in enumerate(rounds):
        for order, round_ in zip(orders.values(), chosen, strict=True):
            order.take(round_)
        before = read_rows(database, ids)
        work_once(handler, number, before, may_write=chosen[0].may_write)
        after = read_rows(database, ids)

        for id_, row in after.items():
            if row.facts.status.is_terminal:
                assert row.facts in orders[str(id_)].reported_ends
            assert row.facts.status.progress >= before[id_].facts.status.progress
            assert row.facts.executed_qty >= before[id_].facts.executed_qty


def work_once(
    handler: OrderHandler, number: int, rows: dict[int, StaleOrder], *, may_write: bool
) -> None:
    batch = Batch(number=number, cycle=0, chunks=(Chunk(key=SYMBOL, items=tuple(rows.values())),))

    async def work() -> None:
        await handler.prepare(batch)
        await handler.commit(batch, may_write=may_write)

    asyncio.run(work())
