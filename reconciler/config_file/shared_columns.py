"""One column of the user's table for several of ours: where that can be, and where it cannot.

What is written must be in a column of its own. What is only read may share one where both can be
the same thing: an id, or what a symbol is made of.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from reconciler.config_file.document import Findings, shown
from reconciler.config_file.key_lines import KeyPath
from reconciler.config_file.orders import (
    COLUMN_KEYS,
    OPTIONAL,
    Columns,
    FollowingColumn,
    JoinedColumns,
    NamedColumn,
    QuantityColumn,
    QueriedColumn,
    RemainingColumn,
    TimeColumn,
)
from reconciler.config_file.section import COLUMN_HINT

_ALLOWED_TOGETHER = (
    frozenset({"id", "external_order_id", "client_order_id"}),
    frozenset({"qty", "executed_qty.of"}),
    frozenset({"symbol", "exchange", "account"}),
)


@dataclass(frozen=True, kw_only=True)
class _Use:
    """A column of theirs, used for one of ours."""

    key: str
    column: str
    path: KeyPath
    is_named: bool


def settle_shared_columns(
    findings: Findings, columns: Columns, also_write: Iterable[FollowingColumn]
) -> Columns:
    """Refuse one column for two purposes that cannot share it.

    An optional column that the file does not name gives way: it is then not used.
    """
    by_column: defaultdict[str, list[_Use]] = defaultdict(list)
    for use in _uses(columns, also_write):
        by_column[use.column].append(use)
    unused: set[str] = set()
    for uses in by_column.values():
        named = [use for use in uses if use.is_named or use.key not in OPTIONAL]
        unnamed = {use.key for use in uses if use not in named}
        if unnamed and not _may_share(uses):
            unused |= unnamed
        if not _may_share(named):
            first, *_, last = sorted(named, key=lambda use: use.is_named)
            findings.add(
                last.path,
                f"is the column {shown(last.column)}, which is also {first.key}",
                f"name another column: {COLUMN_HINT}",
            )
    changes: dict[str, Any] = dict.fromkeys(unused)
    return replace(columns, **changes)


def _may_share(uses: list[_Use]) -> bool:
    keys = {use.key for use in uses}
    return len(uses) <= 1 or any(keys <= allowed for allowed in _ALLOWED_TOGETHER)


def _uses(columns: Columns, also_write: Iterable[FollowingColumn]) -> Iterator[_Use]:
    for key in COLUMN_KEYS:
        for name, suffix in names_in(getattr(columns, key)):
            yield _Use(
                key=f"{key}{suffix}",
                column=name,
                path=("orders", "columns", key, *(part for part in (suffix[1:],) if part)),
                is_named=key in columns.named,
            )
    for column in also_write:
        yield _Use(
            key="also_write",
            column=column.name,
            path=("orders", "also_write", column.name),
            is_named=True,
        )


def names_in(column: object) -> Iterator[tuple[str, str]]:
    """Return the names of the columns in an entry, and what follows our own name for each."""
    match column:
        case JoinedColumns(names=names):
            yield from ((name, "") for name in dict.fromkeys(names))
        case RemainingColumn(name=name, of=of):
            yield name, ""
            yield of, ".of"
        case (
            NamedColumn(name=name)
            | QueriedColumn(name=name)
            | QuantityColumn(name=name)
            | TimeColumn(name=name)
        ):
            yield name, ""
