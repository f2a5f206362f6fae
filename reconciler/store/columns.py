"""What the catalogue says of a table's columns, whoever made it: one statement.

Domains are seen through: a column's type is the one under all of them. SQLAlchemy's own reflection
asks four times, for much more, and every worker would pay for that: 1 MiB of it.
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
        EXISTS (
            SELECT FROM pg_depend d LEFT JOIN pg_attrdef g
                ON d.classid = 'pg_attrdef'::regclass AND g.oid = d.objid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                AND d.refobjsubid = a.attnum
                AND (g.adnum <> a.attnum OR d.classid IN
                    ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass))
        ) AS is_bound
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT f.place, f.name, t.typbasetype, t.typtypmod, f.is_mandatory, f.is_readable, f.collation,
        f.is_bound
    FROM found f JOIN pg_type t ON t.oid = f.type
    WHERE t.typtype = 'd'
)
SELECT f.name::text, format_type(f.type, NULL) AS type, format_type(f.type, f.modifier) AS words,
    information_schema._pg_char_max_length(f.type, f.modifier)::int AS length,
    information_schema._pg_numeric_scale(f.type, f.modifier)::int AS scale,
    f.is_mandatory, f.is_readable, t.typname::text AS enum_name,
    CASE WHEN NOT pg_type_is_visible(t.oid) THEN n.nspname::text END AS enum_schema,
    ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
        AS labels, f.is_bound,
    t.typname <> 'citext' AND coalesce((SELECT collisdeterministic FROM pg_collation co
        WHERE co.oid = f.collation), true) AS is_exact
FROM found f JOIN pg_type t ON t.oid = f.type JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'd'
ORDER BY f.place
"""


@dataclass(frozen=True, kw_only=True)
class EnumType:
    """An enum of the database's. `schema` is None where the search path leads to it."""

    name: str
    schema: str | None
    labels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ColumnInfo:
    """A column as it is.

    Attributes:
        type: Its type in PostgreSQL's words, without length and scale: `character varying`.
        words: The same with them, for a person: `character varying(20)`.
        length: The most letters that it takes; None: any number, or it takes none.
        scale: How many decimal places it keeps; None: every digit, or it is no number.
        enum: None: it is of another type.
        is_mandatory: Whether an INSERT has to fill it.
        is_readable: Whether our role may read it.
        is_bound: Whether a view, a policy, a trigger or a generated column needs it as it is: then
            PostgreSQL refuses to change its type.
        is_exact: Whether two texts of it are equal only if all their letters are.
    """

    name: str
    type: str
    words: str
    length: int | None
    scale: int | None
    enum: EnumType | None
    is_mandatory: bool
    is_readable: bool = True
    is_exact: bool = True
    is_bound: bool = False


def read_columns(connection: Connection, table: str) -> dict[str, ColumnInfo]:
    """Read the columns of what the search path finds as `table`, by name; none: no such table."""
    return {
        row.name: ColumnInfo(
            name=row.name,
            type=row.type,
            words=row.words,
            length=row.length,
            scale=row.scale,
            enum=EnumType(name=row.enum_name, schema=row.enum_schema, labels=tuple(row.labels))
            if row.labels
            else None,
            is_mandatory=row.is_mandatory,
            is_readable=row.is_readable,
            is_exact=row.is_exact,
            is_bound=row.is_bound,
        )
        for row in connection.exec_driver_sql(_READ, (table,))
    }
