"""Judge the SQL in the configuration file by its letters alone, and read names as PostgreSQL does.

Only the database knows whether the SQL is right: it is asked later. Here is refused what would mean
something else inside a statement of ours: a second statement, a comment, a parameter, brackets or
quotes that do not close.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names."""

PARAMETER = ":value"

# Compiled when a file is read, not at import: that takes longer than to import all else here.
_GRAMMAR = r"""
    (?P<comment> -- | /\* )
  | (?P<text> [eE] ' (?: [^'\\] | \\. | '' )* '
      | (?: [bBxXnN] | [uU]& )? ' (?: [^'] | '' )* '
      | \$ (?P<tag> (?: [A-Za-z_\x80-\U0010ffff] [A-Za-z0-9_\x80-\U0010ffff]* )? ) \$
        .*? \$ (?P=tag) \$ )
  | (?P<name> (?: [uU]& )? " (?: [^"] | "" )* " )
  | (?P<unclosed> [eE]? ' | " | \$ (?: [A-Za-z_\x80-\U0010ffff] [A-Za-z0-9_\x80-\U0010ffff]* )? \$ )
  | (?P<cast> :: | := )
  | (?P<parameter> \$ [0-9]+ | : [A-Za-z_] [A-Za-z0-9_]* )
  | (?P<semicolon> ; )
  | (?P<word> [A-Za-z_\x80-\U0010ffff] [A-Za-z0-9_$\x80-\U0010ffff]* )
  | (?P<number> [0-9] [A-Za-z0-9_.]* )
  | (?P<opening> [(\[] )
  | (?P<closing> [)\]] )
  | (?P<other> . )
"""

_BLANKS = " \t\n\r\f\v"
_NAME_PART = r"""[ \t\n\r\f\v]*
    (?: " (?P<quoted> (?: [^"] | "" )+ ) "
      | (?P<plain> [A-Za-z_\x80-\U0010ffff] [A-Za-z0-9_$\x80-\U0010ffff]* ) )
    [ \t\n\r\f\v]*"""
_TO_SMALL_LETTERS = {ord("A") + number: ord("a") + number for number in range(26)}


@dataclass(frozen=True, kw_only=True)
class TableName:
    """A table's name as the database stores it. Without a schema the search path decides."""

    schema: str | None = None
    name: str


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """Something that SQL in the file may not have."""

    what: str
    hint: str


def parse_table_name(text: str) -> TableName | None:
    """Read a table's name as SQL writes it; None if it is no name.

    As in PostgreSQL, letters from A to Z without quotes become small, and a name ends after 63
    bytes.
    """
    parts = _name_parts(text)
    match parts:
        case [name]:
            return TableName(name=name)
        case [schema, name]:
            return TableName(schema=schema, name=name)
        case _:
            return None


def _name_parts(text: str) -> list[str]:
    """Return the parts of a name with dots; none if it is no name."""
    parts: list[str] = []
    position = 0
    pattern = re.compile(_NAME_PART, re.VERBOSE)
    while found := pattern.match(text, position):
        quoted, plain = found["quoted"], found["plain"]
        name = quoted.replace('""', '"') if plain is None else plain.translate(_TO_SMALL_LETTERS)
        parts.append(cut_name(name))
        if found.end() == len(text):
            return parts
        if text[found.end()] != ".":
            return []
        position = found.end() + 1
    return []


def cut_name(name: str) -> str:
    """Return a name without the letters that PostgreSQL drops at its end."""
    return name.encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def condition_flaws(text: str) -> list[Flaw]:
    """Return what a condition (`where`) may not have."""
    return list(_flaws(text, parameters=frozenset()))


def query_flaws(text: str) -> list[Flaw]:
    """Return what a query for one value, with the parameter `:value`, may not have."""
    flaws = list(_flaws(text, parameters=frozenset({PARAMETER})))
    words = [found[0].lower() for found in _tokens(text) if found.lastgroup == "word"]
    parameters = {found[0] for found in _tokens(text) if found.lastgroup == "parameter"}
    if not words or words[0] != "select" or text.lstrip(_BLANKS)[:6].lower() != "select":
        flaws.append(
            Flaw(
                what="is no SELECT",
                hint='write one, such as query = "SELECT name FROM pairs WHERE id = :value"',
            )
        )
    elif "into" in words or _locks(words):
        flaws.append(
            Flaw(
                what="does more than read",
                hint="leave out INTO, FOR UPDATE and FOR SHARE",
            )
        )
    if PARAMETER not in parameters:
        flaws.append(
            Flaw(
                what=f"has no {PARAMETER}, so it would give the same for every order",
                hint=f"put {PARAMETER} where the column's value belongs: WHERE id = {PARAMETER}",
            )
        )
    return flaws


def _tokens(text: str) -> Iterator[re.Match[str]]:
    return re.finditer(_GRAMMAR, text, re.VERBOSE | re.DOTALL)


def _locks(words: list[str]) -> bool:
    kinds = {"update", "no", "share", "key"}
    return any(one == "for" and two in kinds for one, two in pairwise(words))


def _flaws(text: str, *, parameters: frozenset[str]) -> Iterator[Flaw]:
    found: set[str] = set()
    open_brackets: list[str] = []
    for token in _tokens(text):
        match token.lastgroup:
            case "opening":
                open_brackets.append(token[0])
            case "closing":
                opening = open_brackets.pop() if open_brackets else ""
                if opening + token[0] not in {"()", "[]"}:
                    found.add("unbalanced")
            case "parameter" if token[0] in parameters:
                continue
            case "comment" | "parameter" | "semicolon" | "unclosed" as kind:
                found.add(kind)
    if open_brackets:
        found.add("unbalanced")
    yield from (_FLAWS[kind] for kind in sorted(found))


_FLAWS = {
    "comment": Flaw(
        what="has a comment, which could hide what follows it",
        hint="write the comment in TOML, after # and outside the quotes",
    ),
    "parameter": Flaw(
        what="has a parameter that nothing gives a value",
        hint="write the value itself, such as account_id = 7",
    ),
    "semicolon": Flaw(
        what="has a semicolon, and may be one expression only",
        hint="leave the semicolon out",
    ),
    "unbalanced": Flaw(
        what="has brackets that do not match",
        hint="close each bracket that it opens",
    ),
    "unclosed": Flaw(
        what="has a quote that does not close",
        hint="close the quote; inside of it, write the quote twice",
    ),
}


def fill_parameter(query: str, sql: str) -> str:
    """Return a query with SQL in the place of its parameter, wherever that stands as one."""
    return "".join(
        sql if found.lastgroup == "parameter" and found[0] == PARAMETER else found[0]
        for found in _tokens(query)
    )
