"""An application that writes to its own table in the way of its platform: rows through an ORM.

Each of its threads places orders of its own at the exchange, moves them on there, and writes most
of what happened in transactions of several rows, in a mixed order. The rest it never learns: that
is left to the reconciler. Two threads never write the same row, so a deadlock is with the
reconciler.
"""

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Self

import psycopg

from reconciler.domain.status import OPEN
from reconciler.paper.listing import ListedOrder, ListedState
from tests.adoption.environment import AdoptedTable

THREADS = 3
MOST_ROWS = 8
PLACED_AT_ONCE = 4
KNOWN_SHARE = 0.7
"""The share of what happens at the exchange that the application writes."""

LONGEST_THOUGHT_SECONDS = 0.02
"""Between two rows of a transaction, locks are kept for up to this."""

AGE_MS = 3_600_000
QTY = "8"
MOVES: tuple[dict[str, Any], ...] = (
    {"status": "PARTIALLY_FILLED", "executed_qty": "2"},
    {"status": "PARTIALLY_FILLED", "executed_qty": "4"},
    {"status": "FILLED", "executed_qty": QTY},
    {"status": "CANCELED", "executed_qty": "4"},
    {"status": "EXPIRED", "executed_qty": "4"},
)
"""What an order can do next, at the exchange: never less executed than before."""

ORDER_IDS = count(1_000_000_000)


@dataclass
class _Placed:
    """An order of the application: how it was placed, and what the application knows of it."""

    spec: dict[str, Any]
    listed: ListedOrder
    known: ListedState
    step: int = 0


class Application:
    """Inserts, fills and cancels orders in several threads, for the length of a `with`.

    Attributes:
        writes: The number of rows written in each way.
        errors: The number of transactions that failed, by kind of error.
    """

    def __init__(self, table: AdoptedTable, symbols: list[str], rng: Random) -> None:
        self._table = table
        self._symbols = symbols
        self._is_over = threading.Event()
        self.writes = Counter[str]()
        self.errors = Counter[str]()
        self._threads = [
            threading.Thread(target=self._work, args=(rng.random(),), name="application")
            for _ in range(THREADS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, seed: float) -> None:
        rng = Random(seed)  # noqa: S311 - reproducible, not secret
        orders: list[_Placed] = []
        with psycopg.connect(self._table.url, autocommit=True) as connection:
            table = replace(self._table, connection=connection)
            while not self._is_over.is_set():
                try:
                    orders += self._place(table, rng)
                    self._move_on(table, orders, rng)
                except psycopg.Error as error:
                    self.errors[type(error).__name__] += 1
                orders = [order for order in orders if order.listed.truth.status in OPEN]

    def _place(self, table: AdoptedTable, rng: Random) -> list[_Placed]:
        """Place new orders at the exchange, and insert their rows in one transaction."""
        placed = []
        for _ in range(rng.randint(1, PLACED_AT_ONCE)):
            spec = {
                "symbol": rng.choice(self._symbols),
                "order_id": next(ORDER_IDS),
                "qty": QTY,
                "side": rng.choice(("BUY", "SELL")),
                "created_at": int(time.time() * 1000) - AGE_MS,
            }
            listed = table.exchange.place_order(**spec)
            placed.append(_Placed(spec=spec, listed=listed, known=listed.truth))
        with table.connection.transaction():
            for order in placed:
                table.insert([order.listed], first=order.listed.order_id)
        self.writes["inserted"] += len(placed)
        return placed

    def _move_on(self, table: AdoptedTable, orders: list[_Placed], rng: Random) -> None:
        """Move some orders on at the exchange, and write most of that in one transaction."""
        chosen = rng.sample(orders, min(len(orders), MOST_ROWS))
        for order in chosen:
            order.step = rng.randint(order.step, len(MOVES) - 1)
            order.listed = table.exchange.place_order(**order.spec, **MOVES[order.step])
        known = [order for order in chosen if rng.random() < KNOWN_SHARE]
        with table.connection.transaction():
            for order in known:
                table.write(order.listed, order.known, order.listed.truth)
                time.sleep(rng.uniform(0, LONGEST_THOUGHT_SECONDS))
        for order in known:
            order.known = order.listed.truth
        self.writes["updated"] += len(known)
