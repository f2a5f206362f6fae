"""The exchange's names of symbols, from what the user's table has of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from reconciler.config_file.orders import QueriedColumn
from reconciler.config_file.sql_text import fill_parameter
from reconciler.config_file.symbols import Symbols
from reconciler.store.columns import ColumnInfo
from reconciler.store.user_table import UserTable, pyformat


@dataclass(frozen=True, kw_only=True)
class SymbolNames:
    """Reads names by the rules of the configuration file, after its query for keys, if it has one.

    Attributes:
        symbols: The rules.
        query: Returns the texts for each of the keys `keys`, an array; None if the table itself has
            the text.
    """

    symbols: Symbols
    query: str | None = None

    def read(
        self, connection: Connection, stored: Iterable[str | None]
    ) -> Mapping[str | None, str]:
        """Return the exchange's name for each text that stands in the table, and for none.

        Empty for none, and for a key for which the query has no name, or several.
        """
        names = _Names(
            {
                one: self.symbols.normalize(texts[0]) if len(texts) == 1 else ""
                for one, texts in self.texts(connection, stored).items()
            }
        )
        names.symbols = self.symbols if self.query is None else None
        return names

    def texts(
        self, connection: Connection, stored: Iterable[str | None]
    ) -> Mapping[str, tuple[str, ...]]:
        """Return what the rules are given for each text: itself, or all that the query finds."""
        wanted = {one for one in stored if one is not None}
        if self.query is None or not wanted:
            return {one: (one,) for one in wanted}
        rows = connection.exec_driver_sql(self.query, {"keys": sorted(wanted)}).all()
        found = {key: tuple(name or "" for name in names) for key, names in rows}
        return {one: found.get(one, ()) for one in wanted}


class _Names(dict[str | None, str]):
    """Names by what stands in the table; also of a text that only differs in case."""

    symbols: Symbols | None = None

    def __missing__(self, stored: str | None) -> str:
        if stored is None or self.symbols is None:
            return ""
        name = self[stored] = self.symbols.normalize(stored)
        return name


def symbol_names(table: UserTable, found: Mapping[str, ColumnInfo]) -> SymbolNames:
    """Return how the symbols of a table are named; `found` are its columns."""
    column = table.config.columns.symbol
    symbols = table.config.symbols
    if not isinstance(column, QueriedColumn):
        return SymbolNames(symbols=symbols)
    return SymbolNames(symbols=symbols, query=names_query(column, found[column.name].full_type))


def names_query(column: QueriedColumn, key_type: str) -> str:
    """Return the statement that has for each key the texts that the user's query finds.

    It takes the keys as one parameter, an array of texts.
    """
    query = pyformat(fill_parameter(column.query, "reconciler_key.value"))
    keys = f"unnest(CAST(CAST(%(keys)s AS text[]) AS {pyformat(key_type)}[]))"
    return (
        f"SELECT CAST(reconciler_key.value AS text), CAST(ARRAY({query}) AS text[])"  # noqa: S608 - checked, read-only
        f" FROM {keys} AS reconciler_key (value)"
    )
