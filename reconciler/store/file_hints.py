"""What to write into the configuration file so that a column fits as it is: pure.

Nobody renames or rewrites the columns of a table for us. Where a line in `reconciler.toml` is
enough, the hint is that line.
"""

from collections.abc import Iterable

from reconciler.config_file.document import dotted, nearest_name
from reconciler.config_file.toml_values import value_text
from reconciler.domain.status import Status
from reconciler.store.column_types import INTEGERS, NAIVE_TIMESTAMP, NUMBERS, UUID
from reconciler.store.columns import ColumnInfo
from reconciler.store.similar_columns import similar_columns

_WHERE = "[orders.columns] of reconciler.toml"
_TIMES = frozenset({"created_at", "updated_at", "last_synced_at"})
_COUNTS = NUMBERS | {"text", "character varying"}
_IN_OUR_TABLE = 'last_synced_at = "side-table"'
_PROPOSED = "reconciler init proposes the whole file"


def columns_like(key: str, name: str, columns: Iterable[str]) -> list[str]:
    """Return the columns that may be meant by our `key`, for which the file has `name`."""
    known = list(columns)
    nearest = None if name == key else nearest_name(name, known)
    return list(dict.fromkeys([*([nearest] if nearest else []), *similar_columns(key, known)]))


def hint_for_missing(key: str, similar: list[str]) -> str:
    """Return the hint for a column of ours that the table does not have by this name."""
    if similar:
        lines = " or ".join(f"{key} = {value_text(one)}" for one in similar)
        return f"write in {_WHERE}: {lines}; {_PROPOSED}"
    if key == "last_synced_at":
        return (
            "run: reconciler db upgrade --side-table  -- keeps these times in a table of ours; in"
            f" reconciler.toml: {_IN_OUR_TABLE}"
        )
    return f'name the column in {_WHERE}: {key} = "..."; {_PROPOSED}'


def hint_for_type(key: str, found: ColumnInfo) -> str | None:
    """Return the hint for a column of another type; None if no line makes it fit."""
    column = value_text(found.name)
    if key in _TIMES:
        kept = f", or {_IN_OUR_TABLE}" if key == "last_synced_at" else ""
        if found.type == NAIVE_TIMESTAMP:
            line = f'{key} = {{ column = {column}, unit = "naive-utc" }}'
            return f"write in {_WHERE}: {line}, or naive:ZONE for a zone other than UTC{kept}"
        if found.type in _COUNTS:
            line = f'{key} = {{ column = {column}, unit = "epoch-ms" }}'
            return f"write in {_WHERE}: {line}, or epoch-s, epoch-us or epoch-ns{kept}"
        return f"write in {_WHERE}: {_IN_OUR_TABLE}" if kept else None
    if key == "symbol" and found.type in INTEGERS | {UUID}:
        query = '"SELECT name FROM pairs WHERE id = :value"'
        return f"write in {_WHERE}: symbol = {{ query = {query}, column = {column} }}"
    if key == "status" and found.type in _COUNTS:
        return hint_for_words([])
    return None


def hint_for_words(labels: Iterable[str]) -> str:
    """Return the hint for statuses in words that are not ours; `labels` are those of an enum."""
    lines = "; ".join(f"{dotted((label,))} = ..." for label in labels if label not in set(Status))
    said = f": {lines}" if lines else ""
    return f"say in [orders.statuses] of reconciler.toml what each word means{said}; {_PROPOSED}"
