"""Read what a database says of its own tables, to find the one with the orders."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection

from reconciler.config_file.sql_text import TableName
from reconciler.store.best_effort import MAX_SECONDS, set_statement_timeout
from reconciler.store.columns import ColumnInfo, read_columns
from reconciler.store.database import Database
from reconciler.store.user_table import quoted_name

MAX_RELATIONS = 20_000

VIEW_KINDS = frozenset({"v"})


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table or a view, with the names of its columns, before it is looked at more closely.

    Attributes:
        kind: As in `pg_class.relkind`: a table, a partitioned table, or a view.
        rows: About how many it has; None if the database does not know.
    """

    table: TableName
    kind: str
    rows: int | None
    columns: tuple[str, ...]

    @property
    def is_view(self) -> bool:
        """True for a view."""
        return self.kind in VIEW_KINDS

    @property
    def sql_name(self) -> str:
        """The name for SQL."""
        return quoted_name(self.table)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A foreign key of one column: where it leads, and what is there."""

    table: TableName
    key: str
    columns: Mapping[str, ColumnInfo]
    references: Mapping[str, "Reference"] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Description:
    """A table as the catalog describes it.

    Attributes:
        primary_key: Its columns; empty if there is none, as for a view.
        unique: The columns that are unique alone.
        references: The foreign keys of one column, by column.
        defaults: The defaults of columns, as SQL.
        allowed: The texts that a CHECK constraint of one column names.
    """

    relation: Relation
    columns: Mapping[str, ColumnInfo]
    primary_key: tuple[str, ...] = ()
    unique: frozenset[str] = frozenset()
    references: Mapping[str, Reference] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    allowed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@contextmanager
def read_only(database: Database) -> Iterator[Connection]:
    """Run the block in a transaction that cannot write, with a time limit on each statement."""
    with database.transaction() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        set_statement_timeout(connection, MAX_SECONDS)
        yield connection


def list_relations(connection: Connection) -> list[Relation]:
    """List the tables and views whose columns our role may read; none of the system's."""
    return [
        Relation(
            table=TableName(schema=None if row.is_visible else row.schema, name=row.name),
            kind=row.kind,
            rows=row.rows,
            columns=tuple(row.columns),
        )
        for row in connection.exec_driver_sql(_RELATIONS)
    ]


def find_relation(connection: Connection, table: TableName) -> Relation | None:
    """Return the table or view that a name means; None if there is none."""
    found = connection.exec_driver_sql(_RELATION, (quoted_name(table),)).one_or_none()
    if found is None:
        return None
    return Relation(table=table, kind=found.kind, rows=found.rows, columns=tuple(found.columns))


def describe(connection: Connection, relation: Relation) -> Description:
    """Read the columns and constraints of a table."""
    name = relation.sql_name
    keys = connection.exec_driver_sql(_KEYS, (name,)).all()
    return Description(
        relation=relation,
        columns=read_columns(connection, name),
        primary_key=next((tuple(key.columns) for key in keys if key.is_primary), ()),
        unique=frozenset(key.columns[0] for key in keys if len(key.columns) == 1),
        references=_read_references(connection, name, depth=2),
        defaults={row.name: row.sql for row in connection.exec_driver_sql(_DEFAULTS, (name,))},
        allowed={
            row.name: tuple(word.replace("''", "'") for word in row.words)
            for row in connection.exec_driver_sql(_ALLOWED, (name,))
        },
    )


def _read_references(connection: Connection, name: str, *, depth: int) -> dict[str, Reference]:
    found: dict[str, Reference] = {}
    for row in connection.exec_driver_sql(_REFERENCES, (name,)).all():
        table = TableName(schema=None if row.is_visible else row.schema, name=row.name)
        target = quoted_name(table)
        found[row.column] = Reference(
            table=table,
            key=row.key,
            columns=read_columns(connection, target),
            references=_read_references(connection, target, depth=depth - 1) if depth > 1 else {},
        )
    return found


_COLUMNS_OF = """
    ARRAY(SELECT a.attname::text FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND has_column_privilege(c.oid, a.attnum, 'SELECT')
        ORDER BY a.attnum) AS columns
"""
# A table that was never analyzed has -1 rows. For each of 10,000 tables, its tree would take long.
_ROWS = """
    CASE c.relkind WHEN 'r' THEN nullif(c.reltuples, -1)::bigint WHEN 'p' THEN (
        SELECT sum(p.reltuples)::bigint FROM pg_partition_tree(c.oid) AS tree
        JOIN pg_class p ON p.oid = tree.relid AND p.relkind = 'r' AND p.reltuples >= 0
    ) END AS rows
"""
_RELATIONS = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind,
    pg_table_is_visible(c.oid) AS is_visible, {_ROWS}, {_COLUMNS_OF}
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
    AND has_schema_privilege(n.oid, 'USAGE')
    AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
ORDER BY n.nspname, c.relname
LIMIT {MAX_RELATIONS}
"""  # noqa: S608 - put together from constants
_RELATION = f"""
SELECT c.relkind::text AS kind, {_ROWS}, {_COLUMNS_OF}
FROM pg_class c WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'v')
"""  # noqa: S608 - as above
_KEYS = """
SELECT i.indisprimary AS is_primary, ARRAY(
    SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
FROM pg_index i
WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
    AND i.indexprs IS NULL
ORDER BY i.indisprimary DESC, i.indexrelid
"""
_DEFAULTS = """
SELECT a.attname::text AS name, pg_get_expr(d.adbin, d.adrelid) AS sql
FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = to_regclass(%s) AND a.attgenerated = ''
"""
_ALLOWED = """
SELECT a.attname::text AS name, array_agg(DISTINCT m.found[1]) AS words
FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
CROSS JOIN LATERAL regexp_matches(
    pg_get_constraintdef(c.oid), '''((?:[^'']|'''')*)''', 'g') AS m(found)
WHERE c.conrelid = to_regclass(%s) AND c.contype = 'c' AND cardinality(c.conkey) = 1
GROUP BY 1
"""
_REFERENCES = """
SELECT a.attname::text AS column, f.attname::text AS key, n.nspname::text AS schema,
    t.relname::text AS name, pg_table_is_visible(t.oid) AS is_visible
FROM pg_constraint c
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute f ON f.attrelid = c.confrelid AND f.attnum = c.confkey[1]
JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.conrelid = to_regclass(%s) AND c.contype = 'f' AND cardinality(c.conkey) = 1
    AND c.conparentid = 0
"""
