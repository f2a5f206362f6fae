"""The user's table as SQL, from what the configuration file says of it: pure, without a database.

Every text here can stand in a statement of ours as it is. Columns are not qualified, or belong to
`orders`, which is the name of the table in each of our statements, whatever the user calls it.

A statement that goes to the driver with parameters must have its percent signs doubled: `pyformat`.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

from reconciler.config_file.orders import (
    ColumnValue,
    JoinedColumns,
    OrdersConfig,
    RemainingColumn,
    SideTable,
    TimeColumn,
)
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import is_open
from reconciler.scope import UNSCOPED, Scope


@dataclass(frozen=True)
class UserTable:
    """The table that has the orders, and where each of our columns is in it.

    Attributes:
        config: What the configuration file says; by default, the names that the demo has.
    """

    config: OrdersConfig = field(default_factory=OrdersConfig)

    @property
    def scope(self) -> Scope:
        """The name of this program among several over the table."""
        return Scope(self.config.scope or UNSCOPED)

    @cached_property
    def name(self) -> str:
        """The table's name, with its schema if the file gives one: `trading."Order"`."""
        return quoted_name(self.config.table)

    @cached_property
    def id(self) -> str:
        """The column with the ids."""
        return quoted(self.config.columns.id.name)

    @cached_property
    def symbol(self) -> str:
        """What a symbol is made of, as it is stored: a column, or two of them joined."""
        return self.symbol_of()

    def symbol_of(self, prefix: str = "") -> str:
        """Return `symbol` with a prefix before each column: `orders.`."""
        match self.config.columns.symbol:
            case JoinedColumns(names=names):
                texts = (f"btrim(CAST({prefix}{quoted(name)} AS text))" for name in names)
                return f"({' || '.join(texts)})"
            case column:
                return f"{prefix}{quoted(column.name)}"

    @cached_property
    def external_order_id(self) -> str:
        """The column with the exchange's ids."""
        return quoted(self.config.columns.external_order_id.name)

    @cached_property
    def status(self) -> str:
        """The column with the statuses."""
        return quoted(self.config.columns.status.name)

    @property
    def uses_side_table(self) -> bool:
        """True if the file puts the times of the last sync into the side table."""
        return isinstance(self.config.columns.last_synced_at, SideTable)

    @cached_property
    def last_synced_at(self) -> str | None:
        """The column with the times of the last sync; None if the side table has them."""
        column = self.config.columns.last_synced_at
        return quoted(column.name) if isinstance(column, TimeColumn) else None

    @cached_property
    def open_words(self) -> tuple[str, ...]:
        """The user's words for orders that are open."""
        meanings = self.config.statuses.meanings
        return tuple(word for word, meaning in meanings.items() if is_open(meaning))

    @cached_property
    def open_orders(self) -> str:
        """The condition on open orders that the exchange knows.

        The same text for the index and the queries: PostgreSQL uses a partial index only if it can
        prove that the query's condition implies the index's, and it proves that best for the same
        expression. The words have no type: each becomes a value of the column's own.
        """
        return self.open_orders_of()

    def open_orders_of(self, prefix: str = "") -> str:
        """Return `open_orders` with a prefix before each column: `orders.`."""
        words = ", ".join(map(literal, self.open_words))
        known = f"{prefix}{self.external_order_id} IS NOT NULL"
        return f"{known} AND {prefix}{self.status} IN ({words})"

    @cached_property
    def index_columns(self) -> str:
        """What follows the table's name in the definition of the index of open orders."""
        return f"({self.symbol}, {self.id}) WHERE {self.open_orders}"

    @cached_property
    def rows(self) -> str:
        """What to select from: the rows that are this program's, under the name `orders`."""
        if self.config.where is None:
            return self.name if self.name == "orders" else f"{self.name} AS orders"
        return f"(SELECT * FROM {self.name} WHERE ({self.config.where})) AS orders"  # noqa: S608 - quoted, checked

    @cached_property
    def open_orders_count(self) -> str:
        """The statement for the driver that counts open orders, up to the parameter `most`."""
        listed = pyformat(f"SELECT FROM {self.rows} WHERE {self.open_orders}")
        return f"SELECT count(*) AS orders FROM ({listed} LIMIT %(most)s) AS listed"  # noqa: S608 - as above

    @cached_property
    def written_columns(self) -> tuple[str, ...]:
        """The columns that we may write, as the database stores their names; not all need exist."""
        following = (column.name for column in self.config.also_write)
        names = (name for key in _WRITTEN for name in self.columns_of(key)[:1])
        return (*names, *following)

    @cached_property
    def read_columns(self) -> tuple[str, ...]:
        """The columns that we read, as the database stores their names; not all need exist."""
        return tuple(dict.fromkeys(name for key in _READ for name in self.columns_of(key)))

    def columns_of(self, key: str) -> tuple[str, ...]:
        """Return the user's columns for one of our names, the one that is written first."""
        match getattr(self.config.columns, key):
            case None | SideTable():
                return ()
            case JoinedColumns(names=names):
                return names
            case RemainingColumn(name=left, of=of):
                return (left, of)
            case column:
                return (column.name,)


_WRITTEN = ("status", "executed_qty", "avg_price", "last_synced_at", "updated_at")
_READ = ("id", "symbol", "external_order_id", *_WRITTEN, "created_at")


_PLAIN_NAME = re.compile("[a-z_][a-z0-9_]*")
# What PostgreSQL's own `quote_ident` quotes, up to version 18. SQLAlchemy's list lacks some, and it
# doubles percent signs.
_KEYWORD_LIST = """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary
    bit boolean both case cast char character check coalesce collate collation column
    concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user dec decimal default deferrable
    desc distinct do else end except exists extract false fetch float for foreign freeze from
    full grant greatest group grouping having ilike in initially inner inout int integer
    intersect interval into is isnull join json json_array json_arrayagg json_exists
    json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    lateral leading least left like limit localtime localtimestamp merge_action national
    natural nchar none normalize not notnull null nullif numeric offset on only or order out
    outer overlaps overlay placing position precision primary real references returning right
    row select session_user setof similar smallint some substring symmetric system_user table
    tablesample then time timestamp to trailing treat trim true union unique user using values
    varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""
_KEYWORDS = frozenset(_KEYWORD_LIST.split())


def quoted(name: str) -> str:
    """Return the name of a column or a table for SQL, in quotes only if it needs them."""
    if _PLAIN_NAME.fullmatch(name) and name not in _KEYWORDS:
        return name
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def quoted_name(table: TableName) -> str:
    """Return the name of a table for SQL, with its schema if it has one."""
    schema = "" if table.schema is None else f"{quoted(table.schema)}."
    return f"{schema}{quoted(table.name)}"


def literal(text: str) -> str:
    """Return a text as a literal without a type, whatever `standard_conforming_strings` is."""
    escaped = text.replace("'", "''")
    if "\\" in text:
        return "E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"


def literal_of(value: ColumnValue) -> str:
    """Return a value of the configuration file as a literal that a column of its kind takes."""
    return literal(value) if isinstance(value, str) else str(value).lower()


def subquery_name(name: str) -> str:
    """Return the name of a WITH query of ours.

    It hides a table of the same name, which may be the user's, or one that their filter reads.
    """
    return f"reconciler_{name}"


def pyformat(sql: str) -> str:
    """Return SQL that has no parameters yet as the driver takes it together with some."""
    return sql.replace("%", "%%")


DEFAULT_TABLE = UserTable()
"""The table `orders`, with our own names."""
