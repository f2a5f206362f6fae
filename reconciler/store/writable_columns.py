"""Find columns that no statement of ours can write, or compare with a word, from the catalog."""

from collections.abc import Iterator

from reconciler.config_file.orders import OPTIONAL
from reconciler.errors import Problem
from reconciler.store.column_requirements import FoundColumns
from reconciler.store.columns import ColumnInfo
from reconciler.store.user_table import UserTable, quoted


def writing_problems(
    table: UserTable, found: FoundColumns, *, with_side_table: bool
) -> list[Problem]:
    """Name each column that we have to write and that takes no value, and each domain of an enum.

    An optional column that the file does not name is not used then. A view that takes no update at
    all is one problem, not one for each column.
    """
    if not any(column.is_writable for column in found.values()):
        return [_takes_no_update(table)]
    fixed = _fixed(table, found, with_side_table=with_side_table)
    return [
        *(_not_writable(table, one) for one in fixed),
        *(
            _domain_of_enum(table, found[name])
            for key in ("status", "symbol")
            for name in table.columns_of(key)
            if name in found and found[name].is_domain and found[name].enum is not None
        ),
    ]


def is_usable(table: UserTable, name: str, found: ColumnInfo) -> bool:
    """Return False for an optional column that we would have to write and cannot."""
    return found.is_writable or name not in _OPTIONAL or name in table.config.columns.named


_OPTIONAL = OPTIONAL & {"avg_price", "updated_at"}


def _fixed(table: UserTable, found: FoundColumns, *, with_side_table: bool) -> Iterator[ColumnInfo]:
    keys = ["status", "executed_qty", *(_OPTIONAL & table.config.columns.named)]
    if not with_side_table:
        keys.append("last_synced_at")
    names = [name for key in sorted(keys) for name in table.columns_of(key)[:1]]
    names += [one.name for one in table.config.also_write]
    for name in names:
        if name in found and not found[name].is_writable:
            yield found[name]


def _takes_no_update(table: UserTable) -> Problem:
    return Problem(
        what=f"{table.name} takes no UPDATE: it is a materialized view, or a view through which"
        " PostgreSQL cannot write",
        hint="name the table itself in reconciler.toml: [orders] table; or give the view a trigger"
        " INSTEAD OF UPDATE that writes the row and returns NEW",
    )


def _not_writable(table: UserTable, column: ColumnInfo) -> Problem:
    return Problem(
        what=f"{table.name}.{quoted(column.name)} cannot be written: it is generated, or an"
        " expression of a view",
        hint="name in reconciler.toml the column that it is made of; for last_synced_at, write"
        ' "side-table"; from [orders.also_write], remove it',
    )


def _domain_of_enum(table: UserTable, column: ColumnInfo) -> Problem:
    assert column.enum is not None  # noqa: S101 - the caller looked
    name = quoted(column.name)
    return Problem(
        what=f"{table.name}.{name} is a domain over the enum {column.enum.name}, which PostgreSQL"
        " compares with no word",
        hint=f"have its owner run: ALTER TABLE {table.name} ALTER COLUMN {name} TYPE"
        f" {column.full_type}",
    )
