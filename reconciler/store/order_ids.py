"""Ids of orders in statements: integers, uuids, or texts of any letters.

A parameter has the type of the column, so that PostgreSQL compares as the column does and uses its
index. The text of an id is the same here and in our tables, where it names the order: that of a
`char(n)` is without the blanks that PostgreSQL pads it with, that of a `citext` has the letters
that are stored.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    SmallInteger,
    Text,
    Uuid,
    and_,
    cast,
    func,
)
from sqlalchemy.types import TypeEngine

from reconciler.domain.order import OrderId
from reconciler.store.named_type import NamedType
from reconciler.store.prepared_statement import array_literal

LARGEST_BIGINT = 2**63 - 1
_LARGEST_INTEGER = 2**31 - 1
_LARGEST_SMALLINT = 2**15 - 1

# Python's `int` and `UUID` read far more: underscores, digits of other scripts, braces.
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_UUID = re.compile(
    r"[0-9a-f]{8}(-?)[0-9a-f]{4}(-?[0-9a-f]{4}){2}\1[0-9a-f]{12}", re.IGNORECASE | re.ASCII
)

_PADDED = "character"
_CASELESS = "citext"
_TEXT_TYPES: Mapping[str, TypeEngine[Any]] = {
    "text": Text(),
    "character varying": Text(),
    # `character` alone is `character(1)`.
    _PADDED: NamedType("bpchar"),
    _CASELESS: NamedType(_CASELESS),
}


def text_id_type(name: str) -> TypeEngine[Any] | None:
    """Return the type of a column of ids that PostgreSQL calls `name`; None if it has no texts."""
    return _TEXT_TYPES.get(name)


def has_texts(id_type: TypeEngine[Any]) -> bool:
    """Return True if ids of this type are texts."""
    return isinstance(id_type, Text | NamedType)


def parse_id(text: str, id_type: TypeEngine[Any]) -> OrderId:
    """Return an order's id from its text.

    Raises:
        ValueError: no column of this type can have such an id.
    """
    if has_texts(id_type):
        text.encode()  # refuses a lone surrogate, as a command line may have one
        if "\0" in text:
            raise ValueError("PostgreSQL stores no NUL")
        return text.rstrip(" ") if _is_named(id_type, _PADDED) else text
    return parse_uuid(text) if isinstance(id_type, Uuid) else parse_integer(text, _largest(id_type))


def parse_integer(text: str, largest: int = LARGEST_BIGINT) -> int:
    """Return an integer as PostgreSQL writes it.

    Raises:
        ValueError: it is none, or a column whose largest value is `largest` cannot have it.
    """
    number = int(text) if _INTEGER.fullmatch(text) else None
    if number is None or not -largest - 1 <= number <= largest:
        raise ValueError(f"no integer from {-largest - 1} to {largest}")
    return number


def parse_uuid(text: str) -> UUID:
    """Return a uuid from its 32 digits, with or without its hyphens.

    Raises:
        ValueError: it is none.
    """
    if _UUID.fullmatch(text) is None:
        raise ValueError("no uuid")
    return UUID(text)


def select_id(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Select an id as `parse_id` returns it."""
    return (cast(column, Text) if isinstance(column.type, NamedType) else column).label("id")


def is_one_of(column: ColumnElement[Any], ids: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that an id is one of the array `ids`, letter by letter."""
    is_equal = column == func.any(ids)
    if not _is_named(column.type, _CASELESS):
        return is_equal
    return and_(is_equal, cast(column, Text) == func.any(cast(ids, ARRAY(Text()))))


def ids_literal(ids: Sequence[OrderId]) -> str:
    """Return PostgreSQL's text for an array of ids. Numbers and uuids need no quotes."""
    if ids and isinstance(ids[0], str):
        return texts_literal(map(str, ids))
    return array_literal([str(id_) for id_ in ids])  # as a list: a third faster than map


def texts_literal(texts: Iterable[str]) -> str:
    """Return PostgreSQL's text for an array of any texts."""
    escaped = (text.replace("\\", r"\\").replace('"', r"\"") for text in texts)
    return array_literal(f'"{text}"' for text in escaped)


def _largest(id_type: TypeEngine[Any]) -> int:
    if isinstance(id_type, BigInteger):
        return LARGEST_BIGINT
    return _LARGEST_SMALLINT if isinstance(id_type, SmallInteger) else _LARGEST_INTEGER


def _is_named(id_type: TypeEngine[Any], name: str) -> bool:
    return id_type is _TEXT_TYPES[name]
