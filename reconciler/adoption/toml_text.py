"""Write a proposal as the text of a configuration file, with its reasons as comments: pure."""

from collections.abc import Iterator
from decimal import Decimal
from textwrap import wrap
from typing import assert_never

from reconciler.adoption.draft import Place, Proposal
from reconciler.config_file.columns_section import SIDE_TABLE_WORD
from reconciler.config_file.orders import (
    COLUMN_KEYS,
    UTC,
    ColumnValue,
    Constant,
    JoinedColumns,
    NamedColumn,
    QuantityColumn,
    QueriedColumn,
    RemainingColumn,
    SideTable,
    TimeColumn,
    TimeUnit,
)
from reconciler.config_file.sql_text import parse_table_name
from reconciler.config_file.toml_values import comment_text, key_text, value_text
from reconciler.store.user_table import quoted_name

WIDTH = 100

_InTable = JoinedColumns | QueriedColumn | QuantityColumn | RemainingColumn | TimeColumn | Constant
_Column = _InTable | NamedColumn | SideTable


def write_proposal(proposal: Proposal) -> str:
    """Return the text of `[orders]` and all that belongs to it.

    A question that must be answered becomes a line with empty quotes, which no command accepts.
    """
    sections = [
        _lines(proposal, "", _top(proposal)),
        _lines(proposal, "columns", _columns(proposal)),
        _lines(proposal, "statuses", _statuses(proposal)),
        _lines(proposal, "statuses.write", _write(proposal)),
        _lines(proposal, "also_write", _also_write(proposal)),
        _lines(proposal, "symbols", _symbols(proposal)),
        _lines(proposal, "symbols.rename", _rename(proposal)),
    ]
    return "\n".join(section for section in sections if section)


_Line = tuple[Place, str]


def _lines(proposal: Proposal, section: str, entries: Iterator[_Line]) -> str:
    """Return a section; empty if it has neither an entry nor a comment."""
    path: Place = tuple(section.split(".")) if section else ()
    blanks = {
        question.place: question
        for question in proposal.open_questions
        if _section_of(question.place) == path
    }
    body: list[str] = []
    for place, line in entries:
        if any(_is_within(asked, place) for asked in blanks):
            continue
        body += _with_reason(line, proposal.reasons.get(place, ""))
    for question in blanks.values():
        body += [*_comments(question.comment), question.blank]
    for note in proposal.notes.get(section or "orders", ()):
        body += _comments(note)
    if not body:
        return ""
    header = f"[orders.{section}]" if section else "[orders]"
    return "\n".join([header, *body, ""])


def _section_of(place: Place) -> Place:
    """Return the section in which a question's lines stand."""
    match place:
        case ("statuses", "write", _):
            return ("statuses", "write")
        case ("columns" | "statuses" as section, *_):
            return (section,)
        case _:
            return ()


def _is_within(question: Place, entry: Place) -> bool:
    return question[: len(entry)] == entry


def _with_reason(line: str, reason: str) -> list[str]:
    """Return an entry with its reason: behind it if there is room, else above it."""
    behind = f"{line}  # {comment_text(reason)}"
    if reason and len(behind) <= WIDTH:
        return [behind]
    return [*_comments(reason), line]


def _comments(text: str) -> Iterator[str]:
    return (f"# {line}" for line in wrap(comment_text(text), WIDTH - 2, break_long_words=False))


def _top(proposal: Proposal) -> Iterator[_Line]:
    name = quoted_name(proposal.table)
    if parse_table_name(name) != proposal.table:  # Not so for a name that PostgreSQL itself gave.
        raise ValueError(name)
    yield ("table",), f"table = {value_text(name)}"
    if proposal.where is not None:
        yield ("where",), f"where = {value_text(proposal.where)}"


def _columns(proposal: Proposal) -> Iterator[_Line]:
    for key in COLUMN_KEYS:
        if key in proposal.columns:
            yield ("columns", key), f"{key} = {column_text(proposal.columns[key])}"


def column_text(column: _Column) -> str:
    """Return a column as the file writes it."""
    match column:
        case SideTable():
            return value_text(SIDE_TABLE_WORD)
        case NamedColumn(name=name):
            return value_text(name)
        case QuantityColumn(name=name, scale=scale) if scale == 1:
            return value_text(name)
        case TimeColumn(name=name, unit=TimeUnit.TIMESTAMPTZ):
            return value_text(name)
        case _:
            return f"{{ {', '.join(_entries(column))} }}"


def _entries(column: _InTable) -> Iterator[str]:
    match column:
        case JoinedColumns(names=names):
            yield f"join = [{', '.join(map(value_text, names))}]"
        case QueriedColumn(name=name, query=query):
            yield f"query = {value_text(query)}"
            yield f"column = {value_text(name)}"
        case QuantityColumn(name=name, scale=scale):
            yield f"column = {value_text(name)}"
            yield from _scale(scale)
        case RemainingColumn(name=name, of=of, scale=scale):
            yield f"remaining = {value_text(name)}"
            yield f"of = {value_text(of)}"
            yield from _scale(scale)
        case TimeColumn(name=name, unit=unit, zone=zone):
            yield f"column = {value_text(name)}"
            yield f'unit = "{_unit(unit, zone)}"'
        case Constant(value=value):
            yield f"constant = {value_text(value)}"
        case _:
            assert_never(column)


def _scale(scale: Decimal) -> Iterator[str]:
    if scale != 1:
        yield f'scale = "1e{scale.adjusted()}"'


def _unit(unit: TimeUnit, zone: str | None) -> str:
    if unit is not TimeUnit.NAIVE:
        return unit.value
    return "naive-utc" if zone == UTC else f"naive:{zone}"


def _statuses(proposal: Proposal) -> Iterator[_Line]:
    for word, meaning in proposal.statuses.meanings.items():
        yield ("statuses", word), f'{key_text(word)} = "{meaning}"'


def _write(proposal: Proposal) -> Iterator[_Line]:
    for status, word in proposal.statuses.chosen.items():
        yield ("statuses", "write", str(status)), f"{status} = {value_text(word)}"


def _also_write(proposal: Proposal) -> Iterator[_Line]:
    for column in proposal.also_write:
        values = ", ".join(
            f"{key} = {_value(value)}"
            for key, value in (("open", column.open), ("ended", column.ended))
            if value is not None
        )
        yield ("also_write", column.name), f"{key_text(column.name)} = {{ {values} }}"


def _value(value: ColumnValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value_text(value) if isinstance(value, str) else str(value)


def _symbols(proposal: Proposal) -> Iterator[_Line]:
    symbols = proposal.symbols
    if symbols.ignore:
        yield ("symbols", "ignore"), f"ignore = {value_text(symbols.ignore)}"
    if symbols.strip_suffix:
        listed = ", ".join(map(value_text, symbols.strip_suffix))
        yield ("symbols", "strip_suffix"), f"strip_suffix = [{listed}]"


def _rename(proposal: Proposal) -> Iterator[_Line]:
    for theirs, ours in proposal.symbols.rename.items():
        yield ("symbols", "rename", theirs), f"{key_text(theirs)} = {value_text(ours)}"
