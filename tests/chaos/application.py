"""An application that writes to the same rows as the reconciler, as a trading platform does."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from random import Random
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg
from sqlalchemy.exc import DBAPIError

from reconciler.demo import Demo
from reconciler.domain.status import OPEN, Status
from reconciler.errors import ReconcilerError

NAME = "the application"
LONGEST_LOCK_SECONDS = 1.0
CONNECTION_ERRORS = (psycopg.Error, DBAPIError, ReconcilerError, httpx.HTTPError)
"""The errors of a client while PostgreSQL or the exchange is down."""

ORDER_IDS = count(1_000_000_000)

LOCK = "SELECT status, executed_qty FROM orders WHERE id = %s FOR UPDATE"
UPDATE = (
    "UPDATE orders SET status = %s, executed_qty = %s, avg_price = %s, updated_at = now()"
    " WHERE id = %s"
)
INSERT = (
    "INSERT INTO orders (symbol, external_order_id, client_order_id, status, qty, created_at)"
    " SELECT %(symbol)s, %(id)s, %(client)s, 'new', %(qty)s, %(at)s WHERE NOT EXISTS"
    " (SELECT 1 FROM orders WHERE symbol = %(symbol)s AND external_order_id = %(id)s)"
)
PICK = (
    "SELECT id, symbol, external_order_id FROM orders"
    " WHERE status IN ('pending', 'new', 'partial') ORDER BY random() LIMIT 1"
)

Connection = psycopg.Connection[Any]
Action = Callable[[Connection, Random], None]


class Application:
    """Places, fills and cancels orders in several threads, for the length of a `with`.

    Attributes:
        writes: The number of writes of each kind.
    """

    def __init__(self, demo: Demo, rng: Random) -> None:
        self._demo = demo
        self._is_over = threading.Event()
        self.writes = Counter[str]()
        self._placed: list[dict[str, Any]] = []
        actions = (self._place_order, self._follow_order, self._follow_order, self._end_order)
        self._threads = [
            threading.Thread(
                target=self._repeat_until_over, args=(action, rng.random()), name="application"
            )
            for action in actions
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

    def _repeat_until_over(self, action: Action, seed: float) -> None:
        """Act again and again; on a new connection after every error."""
        rng = Random(seed)  # noqa: S311 - chaos is to be reproducible, not secret
        while not self._is_over.is_set():
            with suppress(*CONNECTION_ERRORS), self._connect() as connection:
                while not self._is_over.wait(rng.uniform(0.02, 0.1)):
                    action(connection, rng)
            self._is_over.wait(0.1)

    def _connect(self) -> Connection:
        return psycopg.connect(self._demo.database_url, application_name=NAME, autocommit=True)

    def _place_order(self, connection: Connection, rng: Random) -> None:
        """Place an order at the exchange; insert its row, if need be when PostgreSQL is back."""
        order = {"symbol": f"APP{rng.randrange(4)}USDT", "order_id": next(ORDER_IDS), "qty": "2"}
        placed = self._demo.exchange.place_order(**order)
        row = {
            "symbol": placed.symbol,
            "id": str(placed.order_id),
            "client": placed.client_order_id,
            "qty": placed.qty,
            "at": datetime.fromtimestamp(placed.created_at / 1000, UTC),
        }
        self._insert(connection, row)
        self._placed.append({**order, "created_at": placed.created_at})
        self.writes["placed"] += 1

    def _insert(self, connection: Connection, row: dict[str, Any]) -> None:
        try:
            connection.execute(INSERT, row)
        except psycopg.Error:
            while True:
                time.sleep(0.1)
                with suppress(psycopg.Error), self._connect() as another:
                    another.execute(INSERT, row)
                    return

    def _follow_order(self, connection: Connection, rng: Random) -> None:
        """Ask the exchange about one order; write the answer under a lock that is kept a while."""
        found = connection.execute(PICK).fetchone()
        if found is not None:
            self._copy_order(connection, *found, seconds=rng.uniform(0, LONGEST_LOCK_SECONDS))

    def _copy_order(
        self,
        connection: Connection,
        row_id: int,
        symbol: str,
        external_id: str,
        *,
        seconds: float,
    ) -> None:
        with connection.transaction():
            locked = connection.execute(LOCK, (row_id,)).fetchone()
            truth = self._demo.exchange.get_order(symbol, int(external_id)).truth
            time.sleep(seconds)
            if locked is None or truth.status is None:
                return
            status, executed = Status(locked[0]), Decimal(truth.executed_qty)
            is_forward = status in OPEN and truth.status.progress >= status.progress
            if is_forward and (truth.status, executed) != (status, locked[1]):
                facts = (truth.status.value, executed, truth.avg_price, row_id)
                connection.execute(UPDATE, facts)
                self.writes["moved on"] += 1

    def _end_order(self, connection: Connection, rng: Random) -> None:
        """Fill or cancel an order at the exchange; every second time write the row at once."""
        if not self._placed:
            return
        order = self._placed.pop(rng.randrange(len(self._placed)))
        end = rng.choice(
            [
                {"status": "FILLED", "executed_qty": order["qty"]},
                {"status": "CANCELED"},
                {"status": "CANCELED", "executed_qty": "0.5"},
                {"status": "EXPIRED"},
            ]
        )
        self._demo.exchange.place_order(**order, **end)
        self.writes["ended"] += 1
        if rng.random() < 0.5:
            row = connection.execute(
                "SELECT id FROM orders WHERE symbol = %s AND external_order_id = %s",
                (order["symbol"], str(order["order_id"])),
            ).fetchone()
            if row is not None:
                self._copy_order(
                    connection, row[0], order["symbol"], str(order["order_id"]), seconds=0.1
                )
