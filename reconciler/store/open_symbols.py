"""The symbols of the open orders: as they stand in the table, and as the exchange is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.config_file.orders import QueriedColumn
from reconciler.store.open_counts import count_open_orders
from reconciler.store.orders_table import OrdersTable
from reconciler.store.user_table import quoted


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSymbol:
    """A symbol of open orders.

    Attributes:
        stored: What stands in the table; None for null.
        orders: The number of open orders.
        texts: What the rules of the configuration file are given: `stored` itself, or all that its
            query finds for this key.
        name: The name by which the exchange is asked; empty if there is none, or no single one.
        key: The column with the key, if the file has a query.
    """

    stored: str | None
    orders: int
    texts: tuple[str, ...]
    name: str
    key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSymbols:
    """The symbols of the open orders, the most frequent first.

    `is_partial` is True if there are more open orders, or more symbols, than were counted.
    """

    symbols: Sequence[OpenSymbol]
    is_partial: bool

    @property
    def orders(self) -> int:
        """The number of open orders counted."""
        return sum(symbol.orders for symbol in self.symbols)


def read_open_symbols(connection: Connection, orders: OrdersTable) -> OpenSymbols | None:
    """Count the open orders by symbol; None if that takes too long.

    `connection` is in a transaction.

    Raises:
        StatementFailed: the query of the configuration file takes too long.
    """
    counts = count_open_orders(connection, orders.user, orders.user.symbol)
    if counts is None:
        return None
    texts = orders.names.texts(connection, counts.by_value)
    column = orders.user.config.columns.symbol
    key = quoted(column.name) if isinstance(column, QueriedColumn) else None
    symbols = [
        OpenSymbol(
            stored=stored,
            orders=count,
            texts=found,
            name=orders.names.symbols.normalize(found[0]) if len(found) == 1 else "",
            key=key,
        )
        for stored, count in counts.by_value.items()
        for found in [() if stored is None else texts[stored]]
    ]
    return OpenSymbols(symbols=symbols, is_partial=counts.is_partial)
