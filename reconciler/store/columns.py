"""Read a table's columns from the catalog, with one statement.

A column's type is the one below all domains. SQLAlchemy's own reflection sends four statements for
much more, which would cost every worker 1 MiB of memory.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

_READ = """
WITH RECURSIVE found AS (
    SELECT a.attnum AS place, a.attname AS name, a.atttypid AS type, a.atttypmod AS modifier,
        (a.attnotnull OR t.typnotnull) AND NOT a.atthasdef AND a.attidentity = ''
            AND t.typdefault IS NULL AS is_mandatory,
        has_column_privilege(c.oid, a.attnum, 'SELECT') AS is_readable,
        a.attcollation AS collation,
        a.attgenerated = '' AND a.attidentity <> 'a'
            AND pg_relation_is_updatable(c.oid, true) & 4 <> 0
            AND (pg_column_is_updatable(c.oid, a.attnum, true)
                -- That is true of a view with a trigger only if it can delete as well.
                OR NOT bool_or(pg_column_is_updatable(c.oid, a.attnum, true)) OVER ()
            ) AS is_writable,
        EXISTS (
            SELECT FROM pg_depend d LEFT JOIN pg_attrdef g
                ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                AND d.refobjsubid = a.attnum
                AND (g.adnum <> a.attnum OR d.classid IN
                    ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass))
        ) AS is_bound, false AS is_domain
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT f.place, f.name, t.typbasetype, t.typtypmod, f.is_mandatory, f.is_readable, f.collation,
        f.is_writable, f.is_bound, true
    FROM found f JOIN pg_type t ON t.oid = f.type
    WHERE t.typtype = 'd'
)
SELECT f.name::text, format_type(f.type, NULL) AS type,
    format_type(f.type, f.modifier) AS full_type,
    information_schema._pg_char_max_length(f.type, f.modifier)::int AS length,
    information_schema._pg_numeric_scale(f.type, f.modifier)::int AS scale,
    f.is_mandatory, f.is_readable, t.typname::text AS enum_name,
    CASE WHEN NOT pg_type_is_visible(t.oid) THEN n.nspname::text END AS enum_schema,
    ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
        AS labels, f.is_bound, f.is_writable, f.is_domain,
    t.typname <> 'citext' AND coalesce((SELECT collisdeterministic FROM pg_collation co
        WHERE co.oid = f.collation), true) AS is_exact
FROM found f JOIN pg_type t ON t.oid = f.type JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'd'
ORDER BY f.place
"""


@dataclass(frozen=True, kw_only=True)
class EnumType:
    """An enum type. `schema` is None if the search path finds it."""

    name: str
    schema: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnInfo:
    """A column as the catalog describes it.

    Attributes:
        type: Its type in PostgreSQL's words, without length and scale: `character varying`.
        full_type: The same with length and scale: `character varying(20)`.
        length: The maximum number of characters; None if unlimited, or if it is not a text.
        scale: The number of decimal places; None if unlimited, or if it is not a number.
        enum: The enum type; None if the column has another type.
        is_mandatory: An INSERT has to fill it.
        is_readable: Our role may read it.
        is_bound: A view, a policy, a trigger or a generated column depends on it: then PostgreSQL
            refuses to change its type.
        is_writable: An UPDATE may set it: it is not generated, and no expression of a view.
        is_domain: Its type in the catalog is a domain.
        is_exact: Two texts in it are equal only if all their letters are.
    """

    name: str
    type: str
    full_type: str
    length: int | None
    scale: int | None
    enum: EnumType | None
    is_mandatory: bool
    is_readable: bool = True
    is_exact: bool = True
    is_bound: bool = False
    is_writable: bool = True
    is_domain: bool = False


def read_columns(connection: Connection, table: str) -> dict[str, ColumnInfo]:
    """Read the columns of a table by name; empty if the search path finds no such table."""
    return {
        row.name: ColumnInfo(
            name=row.name,
            type=row.type,
            full_type=row.full_type,
            length=row.length,
            scale=row.scale,
            enum=EnumType(name=row.enum_name, schema=row.enum_schema, labels=tuple(row.labels))
            if row.labels
            else None,
            is_mandatory=row.is_mandatory,
            is_readable=row.is_readable,
            is_exact=row.is_exact,
            is_bound=row.is_bound,
            is_writable=row.is_writable,
            is_domain=row.is_domain,
        )
        for row in connection.exec_driver_sql(_READ, (table,))
    }
