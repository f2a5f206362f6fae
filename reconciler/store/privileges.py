"""Check the privileges of our role, to run and to upgrade. Reads the catalogs, writes nothing.

Checked first, so that all that is missing is named at once, each with the statement that grants it,
and nothing is begun that could not be finished.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from reconciler.config_file.orders import NamedColumn
from reconciler.errors import Problem
from reconciler.store.open_index import read_index_state
from reconciler.store.side_table import SIDE_TABLE, read_side_table
from reconciler.store.tables import VERSION_TABLE, activity_log, cycles, holds, state
from reconciler.store.user_table import UserTable, quoted

_TABLE_PRIVILEGES: Mapping[str, Sequence[str]] = {
    activity_log.name: ("SELECT", "INSERT"),
    holds.name: ("SELECT", "INSERT", "UPDATE"),
    cycles.name: ("SELECT", "INSERT"),
    state.name: ("SELECT", "INSERT", "UPDATE", "DELETE"),
    VERSION_TABLE: ("SELECT",),
}
_SIDE_TABLE_PRIVILEGES: Mapping[str, Sequence[str]] = {
    SIDE_TABLE: ("SELECT", "INSERT", "UPDATE", "DELETE")
}

_ROLE = text("SELECT quote_ident(current_user)")

_MISSING_ON_COLUMNS = text(
    """
    SELECT kind, string_agg(quote_ident(attname), ', ' ORDER BY attnum)
    FROM (VALUES ('SELECT', CAST(:read AS text[])), ('UPDATE', CAST(:written AS text[])))
        AS wanted (kind, columns)
    JOIN pg_attribute ON attrelid = to_regclass(:table) AND attname = ANY (columns)
    WHERE NOT attisdropped AND NOT has_column_privilege(attrelid, attnum, kind)
    GROUP BY kind
    ORDER BY kind
    """
)
_MISSING_ON_TABLES = text(
    """
    SELECT relation, string_agg(kind, ', ' ORDER BY number)
    FROM unnest(CAST(:tables AS text[]), CAST(:kinds AS text[]))
        WITH ORDINALITY AS wanted (relation, kind, number)
    WHERE NOT has_table_privilege(to_regclass(relation), kind)
    GROUP BY relation
    ORDER BY min(number)
    """
)
# An activity_log of the application's own may number its rows from a sequence; ours does not.
_MISSING_ON_SEQUENCE = text(
    """
    SELECT sequence
    FROM pg_attribute, pg_get_serial_sequence(attrelid::regclass::text, attname) AS sequence
    WHERE attrelid = to_regclass('activity_log') AND attname = 'id' AND attidentity = ''
        AND NOT has_sequence_privilege(sequence, 'USAGE')
    """
)
_SCHEMA = text(
    "SELECT quote_ident(current_schema()), has_schema_privilege(current_schema(), 'CREATE')"
)
_FOREIGN_OWNER = text(
    """
    SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class
    WHERE oid = to_regclass(:table) AND NOT pg_has_role(relowner, 'USAGE')
    """
)


def missing_privileges(connection: Connection, table: UserTable) -> list[Problem]:
    """Name the privileges that our role needs to run and lacks, on existing tables and columns."""
    role: str = connection.execute(_ROLE).scalar_one()
    return [
        *_missing_on_orders(connection, table, role),
        *_missing_on_tables(
            connection, role, {**_TABLE_PRIVILEGES, **_side_table_privileges(connection)}
        ),
        *_missing_on_sequence(connection, role),
    ]


def missing_read_privileges(connection: Connection, table: UserTable) -> list[Problem]:
    """Name the columns of the table, and the side table, that our role must read and may not."""
    role: str = connection.execute(_ROLE).scalar_one()
    reading = dict.fromkeys(_side_table_privileges(connection), ("SELECT",))
    return [
        *_missing_on_orders(connection, table, role, is_written=False),
        *_missing_on_tables(connection, role, reading),
    ]


def missing_upgrade_privileges(connection: Connection, table: UserTable) -> list[Problem]:
    """Name the privileges that our role needs to create our tables and the index, and lacks."""
    role: str = connection.execute(_ROLE).scalar_one()
    return [*_missing_on_schema(connection, role), *_missing_ownership(connection, table, role)]


def _missing_on_orders(
    connection: Connection, table: UserTable, role: str, *, is_written: bool = True
) -> list[Problem]:
    synced = set(table.columns_of("last_synced_at"))
    unused = synced if read_side_table(connection) else set[str]()
    names = {
        "table": table.name,
        "read": [name for name in (*table.read_columns, *_owners(table)) if name not in unused],
        "written": [name for name in table.written_columns if is_written and name not in unused],
    }
    if schema := _missing_on_user_schema(connection, table, role):
        return schema
    missing = connection.execute(_MISSING_ON_COLUMNS, names)
    return [
        Problem(
            what=f"role {role} may not {kind} {columns} of {table.name}",
            hint=f"run as the owner of {table.name}:"
            f" GRANT {kind} ({columns}) ON {table.name} TO {role}",
        )
        for kind, columns in missing
    ]


def _owners(table: UserTable) -> Iterator[str]:
    """Yield the columns of the exchange and the account, which a filter reads."""
    columns = table.config.columns
    for column in (columns.exchange, columns.account):
        if isinstance(column, NamedColumn):
            yield column.name


def _missing_on_user_schema(connection: Connection, table: UserTable, role: str) -> list[Problem]:
    """Name the schema that the file gives, if our role may not use it: then nothing is seen."""
    name = table.config.table.schema
    may_use = "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s"
    if name is None or connection.exec_driver_sql(may_use, (name,)).scalar() is not False:
        return []
    schema = quoted(name)
    return [
        Problem(
            what=f"role {role} may not use the schema {schema} of {table.name}",
            hint=f"run as the owner of {schema}: GRANT USAGE ON SCHEMA {schema} TO {role}",
        )
    ]


def _side_table_privileges(connection: Connection) -> Mapping[str, Sequence[str]]:
    """Return the privileges on the side table; nothing if there is none."""
    return _SIDE_TABLE_PRIVILEGES if read_side_table(connection) else {}


def _missing_on_tables(
    connection: Connection, role: str, privileges: Mapping[str, Sequence[str]]
) -> list[Problem]:
    wanted = [(table, kind) for table, kinds in privileges.items() for kind in kinds]
    missing = connection.execute(
        _MISSING_ON_TABLES,
        {"tables": [table for table, _ in wanted], "kinds": [kind for _, kind in wanted]},
    )
    return [
        Problem(
            what=f"role {role} may not {kinds} on {table}",
            hint=f"run as the owner of {table}: GRANT {kinds} ON {table} TO {role}",
        )
        for table, kinds in missing
    ]


def _missing_on_sequence(connection: Connection, role: str) -> list[Problem]:
    return [
        Problem(
            what=f"role {role} may not use {sequence}, which numbers activity_log",
            hint=f"run as its owner: GRANT USAGE ON SEQUENCE {sequence} TO {role}",
        )
        for sequence in connection.execute(_MISSING_ON_SEQUENCE).scalars()
    ]


def _missing_on_schema(connection: Connection, role: str) -> list[Problem]:
    schema, may_create = connection.execute(_SCHEMA).one()
    if schema is None:
        return [
            Problem(
                what=f"role {role} has no schema to make tables in: its search_path names none",
                hint=f"run: ALTER ROLE {role} SET search_path = public",
            )
        ]
    if may_create:
        return []
    return [
        Problem(
            what=f"role {role} may not make tables in schema {schema}",
            hint=f"run as the owner of {schema}: GRANT CREATE ON SCHEMA {schema} TO {role}; or let"
            " your database administrator run what this prints: reconciler db sql",
        )
    ]


def _missing_ownership(connection: Connection, table: UserTable, role: str) -> list[Problem]:
    if read_index_state(connection, table).is_usable:
        return []
    return [
        Problem(
            what=f"{table.name} belongs to {owner}, so role {role} may not make the index on it",
            hint=f"run reconciler db upgrade as {owner}, or let your database administrator run"
            " what this prints: reconciler db sql",
        )
        for owner in connection.execute(_FOREIGN_OWNER, {"table": table.name}).scalars()
    ]


# Row-level security for our role, for each table and command: is it allowed at all, and for every
# row? Permissive policies are joined by OR, restrictive ones by AND. An INSERT or UPDATE is checked
# by WITH CHECK; without one, by USING.
_POLICIES = text(
    """
    WITH applying AS (
        SELECT polrelid, polcmd, polpermissive,
            coalesce(pg_get_expr(polqual, polrelid), 'true') = 'true' AS shows_all,
            coalesce(pg_get_expr(polwithcheck, polrelid), pg_get_expr(polqual, polrelid), 'true')
                = 'true' AS takes_all
        FROM pg_policy
        WHERE 0 = ANY (polroles)
            OR EXISTS (SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, 'USAGE'))
    )
    SELECT relation, kind,
        coalesce(bool_or(polpermissive), false) AS is_allowed,
        coalesce(
            bool_or(polpermissive AND is_open) AND NOT bool_or(NOT polpermissive AND NOT is_open),
            false
        ) AS is_whole
    FROM unnest(
            CAST(:tables AS text[]), CAST(:kinds AS text[]), CAST(:letters AS text[])
        ) WITH ORDINALITY AS wanted (relation, kind, letter, number)
    LEFT JOIN applying ON polrelid = to_regclass(relation) AND polcmd::text IN ('*', letter)
    CROSS JOIN LATERAL (
        SELECT (kind = 'INSERT' OR shows_all) AND (kind IN ('SELECT', 'DELETE') OR takes_all)
            AS is_open
    ) AS judged
    WHERE row_security_active(to_regclass(relation)::oid)
    GROUP BY number, relation, kind
    ORDER BY number
    """
)
_LETTERS = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}


def refusing_policies(connection: Connection, table: UserTable) -> list[Problem]:
    """Name the commands that row-level security refuses altogether: no policy allows them."""
    role: str = connection.execute(_ROLE).scalar_one()
    return [
        Problem(
            what=f"row-level security is on for {name}, and no policy lets role {role} {kind}",
            hint=f"run as the owner of {name}: {_policy(name, role)}",
        )
        for name, kind, is_allowed, _ in _read_policies(connection, table)
        if not is_allowed
    ]


def hiding_policies(connection: Connection, table: UserTable) -> list[Problem]:
    """Name the tables of which row-level security may hide or refuse some rows to our role.

    The number of these rows is unknown: they are hidden from a count, too.
    """
    role: str = connection.execute(_ROLE).scalar_one()
    tables: dict[str, list[str]] = {}
    for name, kind, is_allowed, is_whole in _read_policies(connection, table):
        if is_allowed and not is_whole:
            tables.setdefault(name, []).append(kind)
    return [
        Problem(
            what=f"row-level security decides which rows of {name} role {role} may"
            f" {' and '.join(kinds)}: rows that it hides are not followed, and cannot be counted;"
            " rows that it refuses go on hold",
            hint=f"run as the owner of {name}: {_policy(name, role)}",
        )
        for name, kinds in tables.items()
    ]


def _read_policies(connection: Connection, table: UserTable) -> Sequence[Any]:
    of_orders = {table.name: ("SELECT", "UPDATE")}
    tables = {**of_orders, **_TABLE_PRIVILEGES, **_side_table_privileges(connection)}
    wanted = [(name, kind) for name, kinds in tables.items() for kind in kinds]
    return connection.execute(
        _POLICIES,
        {
            "tables": [name for name, _ in wanted],
            "kinds": [kind for _, kind in wanted],
            "letters": [_LETTERS[kind] for _, kind in wanted],
        },
    ).all()


def _policy(table: str, role: str) -> str:
    return f"CREATE POLICY reconciler ON {table} TO {role} USING (true) WITH CHECK (true)"
