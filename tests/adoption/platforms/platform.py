"""What the tests need to know of a platform's table: how it is made, filled and read back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from psycopg import sql

from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder, ListedState
from reconciler.paper.market import list_markets

Row = dict[str, Any]
"""A row of the platform's table by its column names. Optional columns may be missing."""

Facts = tuple[str, Decimal, Decimal | None]
"""A row's word, executed quantity and average price."""

Statement = tuple[str, Sequence[Any]]

SIDE_TABLE = "reconciliation_sync"

FOLDER = Path(__file__).parent
MARKETS = {market.symbol: market for market in list_markets(40)}
QUOTES = ("USDT", "BTC")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform's table, and the configuration files for it.

    Attributes:
        name: Names the files: `<name>.sql` makes the table, `<name>.toml` is for the reconciler.
        table: The table's name as SQL writes it.
        external_id: The column with the exchange's ids.
        row: Builds the row of an order in a state; the number is 1 for the first order.
        words: The platform's word for each of our statuses.
        word: The word for a status where it depends on the order as well.
        truth: Selects symbol, exchange's id, word, executed quantity and average price of all rows,
            in SQL of the platform's own; the symbol is the exchange's.
        average_places: Decimal places to compare, at most the eight that the exchange lists; None
            if there is no average.
        as_stored: Rounds a quantity as the column does; the identity, if it keeps all digits.
        reference_rows: Rows of other tables that the orders refer to, for the symbols.
        sync_times: The table with the times of the last sync.
        files: The configuration files, without their ending; each is a program of its own.
    """

    name: str
    table: str
    external_id: str
    row: Callable[[ListedOrder, ListedState, int], Row]
    words: Mapping[Status, str]
    word: Callable[[ListedOrder, Status], str] | None = None
    truth: str
    average_places: int | None = 8
    as_stored: Callable[[Decimal], Decimal] = lambda amount: amount
    reference_rows: Callable[[Sequence[str]], Iterable[Statement]] = lambda _: ()
    sync_times: str = SIDE_TABLE
    files: tuple[str, ...] = field(default=())

    @property
    def ddl(self) -> str:
        """The statements that make the table."""
        return (FOLDER / f"{self.name}.sql").read_text(encoding="utf-8")

    @property
    def configuration_files(self) -> tuple[Path, ...]:
        """The files for the reconciler; several if several programs share the table."""
        return tuple(FOLDER / f"{name}.toml" for name in self.files or (self.name,))

    def word_for(self, order: ListedOrder, status: Status | None) -> str:
        """Return the platform's word for an order's status."""
        if status is None:
            raise ValueError(f"order {order.order_id} has a status that no platform knows")
        return self.words[status] if self.word is None else self.word(order, status)

    def expected(self, order: ListedOrder) -> Facts:
        """Return the facts that an order's row must have at the end."""
        truth = order.truth
        executed = self.as_stored(Decimal(truth.executed_qty))
        return self.word_for(order, truth.status), executed, self._rounded(truth.avg_price)

    def found(self, word: str, executed: object, average: object) -> Facts:
        """Return the facts that a row has, from what `truth` selects."""
        return word, self.as_stored(Decimal(str(executed))), self._rounded(average)

    def _rounded(self, average: object) -> Decimal | None:
        if self.average_places is None or average is None:
            return None
        unit = Decimal(1).scaleb(-self.average_places)
        return Decimal(str(average)).quantize(unit, ROUND_HALF_UP)

    def insert(self, columns: Iterable[str]) -> sql.Composed:
        """Return the statement that inserts a row, with a named parameter for each column."""
        names = list(columns)
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.SQL(self.table),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(map(sql.Placeholder, names)),
        )

    def update(self, columns: Iterable[str]) -> sql.Composed:
        """Return the statement that sets columns of the row with the exchange's id `of`."""
        return sql.SQL("UPDATE {} SET {} WHERE {} = {}").format(
            sql.SQL(self.table),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
                for name in columns
            ),
            sql.Identifier(self.external_id),
            sql.Placeholder("of"),
        )


def base_and_quote(symbol: str) -> tuple[str, str]:
    """Split an exchange's symbol into its two assets."""
    market = MARKETS.get(symbol)
    if market is not None:
        return market.base, market.quote
    quote = next(quote for quote in QUOTES if symbol.endswith(quote))
    return symbol.removesuffix(quote), quote


def aware(ms: int) -> datetime:
    """Return a time as timestamptz columns take it."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def naive(ms: int) -> datetime:
    """Return a time as columns without a zone take it, in UTC."""
    return aware(ms).replace(tzinfo=None)


def number(text: str | None) -> float | None:
    """Return an amount as columns of floating point take it."""
    return None if text is None else float(text)


def left(order: ListedOrder, state: ListedState) -> Decimal:
    """Return what of an order is not executed yet."""
    return Decimal(order.qty) - Decimal(state.executed_qty)
