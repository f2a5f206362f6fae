"""An application that follows its orders late, not at all, or wrongly: what a shadow is to show.

Every order changes once at the exchange. Then its row has one of these fates:

    PROMPT      written at once        OTHERWISE   ended in another status than the order, late
    LATE        written after a while  DELETED     deleted, late
    NEVER       not touched
"""

import heapq
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Self

import psycopg

from reconciler.demo import Demo
from reconciler.domain.status import Status
from reconciler.paper.listing import ListedState

PLACED_EVERY_SECONDS = 0.3
CHANGES_AFTER_SECONDS = 1.0
LOOK_SECONDS = 0.02
ORDER_IDS = count(1_000_000_000)

INSERT = (
    "INSERT INTO orders (symbol, external_order_id, client_order_id, status, qty, created_at)"
    " VALUES (%s, %s, %s, 'new', %s, %s) RETURNING id"
)
UPDATE = "UPDATE orders SET status = %s, executed_qty = %s, avg_price = %s WHERE id = %s"
READ = "SELECT id, symbol, external_order_id, status, executed_qty FROM orders"

Connection = psycopg.Connection[tuple[Any, ...]]


class Fate(StrEnum):
    """What becomes of a row after its order has changed at the exchange."""

    PROMPT = "prompt"
    LATE = "late"
    NEVER = "never"
    OTHERWISE = "otherwise"
    DELETED = "deleted"


SHARES = {
    Fate.PROMPT: 10,
    Fate.LATE: 45,
    Fate.NEVER: 25,
    Fate.OTHERWISE: 12,
    Fate.DELETED: 8,
}
ENDS: Sequence[dict[str, str]] = (
    {"status": "FILLED", "executed_qty": "2"},
    {"status": "CANCELED"},
    {"status": "CANCELED", "executed_qty": "0.5"},
    {"status": "PARTIALLY_FILLED", "executed_qty": "0.5"},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """What the application did to a row, and when it was committed, in Unix seconds."""

    fate: Fate
    at: float


@dataclass(order=True, slots=True)
class _Due:
    at: float
    number: int
    step: str = field(compare=False)
    row_id: int = field(compare=False)
    symbol: str = field(compare=False)
    order_id: int = field(compare=False)
    fate: Fate = field(compare=False, default=Fate.NEVER)


class LateApplication:
    """Places orders, and writes their rows as their fates say, in one thread, during a `with`.

    Attributes:
        acts: What was done to each row, by its id.
        writes: The number of rows inserted, updated and deleted.
    """

    def __init__(self, demo: Demo, *, longest_delay_seconds: float, rng: Random) -> None:
        self.acts: dict[int, Act] = {}
        self.writes = Counter[str]()
        self._demo = demo
        self._longest_delay_seconds = longest_delay_seconds
        self._rng = rng
        self._numbers = count()
        self._due: list[_Due] = []
        self._is_over = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="application")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def _run(self) -> None:
        try:
            with psycopg.connect(self._demo.database_url, autocommit=True) as connection:
                for row_id, symbol, order_id in differing_rows(self._demo, connection):
                    self._plan_fate(row_id, symbol, order_id)
                place_at = time.monotonic()
                while not self._is_over.wait(LOOK_SECONDS):
                    if time.monotonic() >= place_at:
                        place_at += PLACED_EVERY_SECONDS
                        self._place(connection)
                    self._do_what_is_due(connection)
        except BaseException as error:  # noqa: BLE001 - `__exit__` raises it
            self._error = error

    def _place(self, connection: Connection) -> None:
        """Place an order; it changes at the exchange a moment later."""
        symbol, order_id = f"APP{self._rng.randrange(4)}USDT", next(ORDER_IDS)
        placed = self._demo.exchange.place_order(symbol=symbol, order_id=order_id, qty="2")
        created_at = datetime.fromtimestamp(placed.created_at / 1000, UTC)
        row = (symbol, str(order_id), placed.client_order_id, placed.qty, created_at)
        (row_id,) = connection.execute(INSERT, row).fetchone() or (0,)
        self.writes["inserted"] += 1
        self._plan("change", CHANGES_AFTER_SECONDS, row_id, symbol, order_id)

    def _plan(  # noqa: PLR0917 - all say which order
        self,
        step: str,
        seconds: float,
        row_id: int,
        symbol: str,
        order_id: int,
        fate: Fate = Fate.NEVER,
    ) -> None:
        at = time.monotonic() + seconds
        due = _Due(at, next(self._numbers), step, row_id, symbol, order_id, fate)
        heapq.heappush(self._due, due)

    def _plan_fate(self, row_id: int, symbol: str, order_id: int) -> None:
        (fate,) = self._rng.choices(list(SHARES), weights=list(SHARES.values()))
        is_prompt = fate is Fate.PROMPT
        delay = 0.0 if is_prompt else self._rng.uniform(1, self._longest_delay_seconds)
        if fate is not Fate.NEVER:
            self._plan("write", delay, row_id, symbol, order_id, fate)

    def _do_what_is_due(self, connection: Connection) -> None:
        while self._due and self._due[0].at <= time.monotonic() and not self._is_over.is_set():
            due = heapq.heappop(self._due)
            if due.step == "change":
                self._change_at_exchange(due)
            else:
                self._write(connection, due)

    def _change_at_exchange(self, due: _Due) -> None:
        listed = self._demo.exchange.get_order(due.symbol, due.order_id)
        self._demo.exchange.place_order(
            symbol=due.symbol,
            order_id=due.order_id,
            qty="2",
            created_at=listed.created_at,
            **self._rng.choice(ENDS),
        )
        self._plan_fate(due.row_id, due.symbol, due.order_id)

    def _write(self, connection: Connection, due: _Due) -> None:
        truth = self._demo.exchange.get_order(due.symbol, due.order_id).truth
        fate = due.fate
        if fate is Fate.OTHERWISE and (truth.status is None or not truth.status.is_terminal):
            fate = Fate.LATE  # A row that ends is further than an order that is open.
        match fate:
            case Fate.DELETED:
                connection.execute("DELETE FROM orders WHERE id = %s", (due.row_id,))
                self.writes["deleted"] += 1
            case Fate.OTHERWISE:
                other = Status.EXPIRED if truth.status is Status.REJECTED else Status.REJECTED
                connection.execute(UPDATE, (other.value, 0, None, due.row_id))
                self.writes["updated"] += 1
            case _:
                facts = (truth.status, truth.executed_qty, truth.avg_price, due.row_id)
                connection.execute(UPDATE, facts)
                self.writes["updated"] += 1
        self.acts[due.row_id] = Act(fate=fate, at=time.time())


def differing_rows(demo: Demo, connection: Connection) -> Iterator[tuple[int, str, int]]:
    """Return id, symbol and exchange id of each open row that is not as the exchange says."""
    truths = {(order.symbol, str(order.order_id)): order.truth for order in demo.exchange.orders()}
    for row_id, symbol, external, status, executed in connection.execute(READ).fetchall():
        truth = truths[symbol, external]
        if not Status(status).is_terminal and _differs(truth, status, executed):
            yield row_id, symbol, int(external)


def _differs(truth: ListedState, status: str, executed: Decimal) -> bool:
    return (truth.status, Decimal(truth.executed_qty)) != (Status(status), executed)
