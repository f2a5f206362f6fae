"""The demo's environment: a platform's database that has fallen behind its exchange.

PostgreSQL comes from a wheel; the paper exchange is an HTTP server in another process. At the end
every row is compared with the exchange's truth.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text

from reconciler.embedded import embedded_postgres
from reconciler.paper.dialects import load_dialect
from reconciler.paper.listing import ListedOrder
from reconciler.paper.new_keys import NewKey, new_hmac_key
from reconciler.paper.process import PaperProcess
from reconciler.store import migrations, sample_orders
from reconciler.store.database import Database
from reconciler.store.user_table import DEFAULT_TABLE

PAPER = "paper"
"""The default exchange of the demo: Binance's dialect, under the name of the paper exchange."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The demo's database and exchange, with their addresses and credentials.

    Attributes:
        exchange_name: The exchange whose dialect the paper exchange speaks, as in EXCHANGE_NAME.
    """

    database: Database
    database_url: str
    exchange: PaperProcess
    api_key: SecretStr
    api_secret: SecretStr
    api_passphrase: SecretStr | None = None
    exchange_name: str = PAPER

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables for a command to use these, secrets included."""
        passphrase = self.api_passphrase
        return {
            "DATABASE_URL": self.database_url,
            "EXCHANGE_NAME": self.exchange_name,
            "EXCHANGE_BASE_URL": self.exchange.url,
            "EXCHANGE_API_KEY": self.api_key.get_secret_value(),
            "EXCHANGE_API_SECRET": self.api_secret.get_secret_value(),
            "EXCHANGE_API_PASSPHRASE": "" if passphrase is None else passphrase.get_secret_value(),
        }

    def fill(self, *, orders: int, symbols: int, seed: int) -> None:
        """Write orders to the exchange, and to the database what the platform last saw of them."""
        self.exchange.seed(orders=orders, symbols=symbols, seed=seed)
        self._write_rows(self.exchange.orders())
        with self.database.autocommit() as connection:
            connection.execute(text("VACUUM (ANALYZE) orders"))

    def place(self, **order: Any) -> ListedOrder:
        """Place an order and write its row; the fields are those of `OrderSpec`."""
        placed = self.exchange.place_order(**order)
        self._write_rows([placed])
        return placed

    def go_stale_within(self, seconds: float) -> None:
        """Make the rows go stale one after another within `seconds`, evenly, in a mixed order."""
        with self.database.transaction() as connection:
            connection.execute(_SPREAD, {"seconds": seconds})

    def mismatches(self) -> list[str]:
        """Compare every row with the exchange's truth; describe each that differs."""
        with self.database.autocommit() as connection:
            rows = {
                (symbol, external): (status, executed, average)
                for symbol, external, status, executed, average in connection.execute(_READ_ROWS)
            }
        return list(_differences(rows, self.exchange.orders()))

    def _write_rows(self, orders: Iterable[ListedOrder]) -> None:
        with self.database.transaction() as connection:
            cursor = connection.connection.cursor()
            with cursor.copy(_COPY) as copy:
                for order in orders:
                    copy.write_row(_row(order))


_RowValues = tuple[str | None, Decimal, Decimal | None]

_COPY = (
    "COPY orders (symbol, external_order_id, client_order_id, status, qty, executed_qty, avg_price,"
    " created_at, updated_at, last_synced_at) FROM STDIN"
)
_SPREAD = text(
    "UPDATE orders SET last_synced_at ="
    " now() + make_interval(secs => :seconds * (id * 7919 % 1000) / 1000.0)"
)
_READ_ROWS = text("SELECT symbol, external_order_id, status, executed_qty, avg_price FROM orders")


@contextmanager
def open_demo(options: Sequence[str] = (), *, exchange_name: str = PAPER) -> Iterator[Demo]:
    """Start the database and the exchange, which gets `options`; stop both at the end.

    The exchange speaks the dialect of `exchange_name`; "paper" is Binance's.

    Raises:
        ConfigurationError: the extra `demo` is missing, or there is no room.
        UnknownDialect: there is no dialect of that name.
    """
    with embedded_postgres() as url, _paper_exchange(exchange_name, options) as (exchange, key):
        database = Database(url, role="demo")
        try:
            with database.transaction() as connection:
                sample_orders.create_orders_table(connection)
            with database.connection() as connection:
                migrations.upgrade(connection, DEFAULT_TABLE)
            yield Demo(
                database=database,
                database_url=url,
                exchange=exchange,
                api_key=SecretStr(key.api_key),
                api_secret=SecretStr(key.api_secret),
                api_passphrase=None if key.passphrase is None else SecretStr(key.passphrase),
                exchange_name=exchange_name,
            )
        finally:
            database.close()


@contextmanager
def _paper_exchange(name: str, options: Sequence[str]) -> Iterator[tuple[PaperProcess, NewKey]]:
    """Start an exchange that speaks the dialect of `name`, and make its key."""
    is_default = name == PAPER
    key = new_hmac_key() if is_default else load_dialect(name).new_key()
    with PaperProcess(dialect=None if is_default else name, key=key, options=options) as exchange:
        yield exchange, key


def _row(order: ListedOrder) -> tuple[object, ...]:
    """Return the platform's row of an order: its last seen state, and stale.

    Every tenth row was never synced, as after an import.
    """
    created_at = datetime.fromtimestamp(order.created_at / 1000, UTC)
    never_synced = order.order_id % 10 == 0
    return (
        order.row_symbol,
        order.row_order_id,
        order.client_order_id,
        order.seen.status,
        order.qty,
        order.seen.executed_qty,
        order.seen.avg_price,
        created_at,
        created_at,
        None if never_synced else created_at,
    )


def _differences(
    rows: dict[tuple[str, str], _RowValues], orders: Iterable[ListedOrder]
) -> Iterator[str]:
    for order in orders:
        truth = order.truth
        expected: _RowValues = (
            truth.status,
            Decimal(truth.executed_qty),
            None if truth.avg_price is None else Decimal(truth.avg_price),
        )
        found = rows.pop((order.row_symbol, order.row_order_id), None)
        if found != expected:
            name = f"{order.row_symbol} {order.row_order_id}"
            yield f"{name}: the row has {found}, the exchange {expected}"
    for symbol, external in rows:
        yield f"{symbol} {external}: the exchange has no such order"
