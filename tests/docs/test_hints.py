"""The commands, scripts, pages and SQL that hints name exist and work."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import psycopg
from psycopg import sql

from reconciler.cli.app import cli

from .documents import ROOT, anchors

SAMPLES = {
    # By the expression in the text.
    "table": "orders",
    "table.name": "orders",
    "table.id": "id",
    "SIDE_TABLE": "reconciliation_sync",
    "name": "qty",
    "kind": "UPDATE",
    "kinds": "SELECT, INSERT",
    "columns": "status, executed_qty",
    "role": "CURRENT_USER",
    "sequence": "activity_log_id_seq",
    "schema": "public",
    "owner": "CURRENT_USER",
    "requirement.ddl": "numeric",
    "using": "qty::numeric",
    "_REWRITES": "",
    "rule": "copies",
    "found.name": "symbol",
    "column.full_type": "numeric",
    "ddl": "numeric",
    "concurrently": " CONCURRENTLY",
    "', '.join(columns)": "id",
}
"""Values for the gaps of a text, so that it runs on the sample database."""

NO_CALLS = {
    # Sentences and names in which "reconciler" is not the command.
    "reconciler has",
    "reconciler worker",
    "reconciler command",
}
BEFORE = {
    # The state of the database in which the statement is proposed.
    "DROP TABLE reconciliation_sync": "CREATE TABLE reconciliation_sync ()",
    "DROP INDEX": "CREATE INDEX qty ON orders (qty)",
    "DROP RULE": "CREATE RULE copies AS ON UPDATE TO orders DO ALSO NOTHING",
    "ADD COLUMN qty": "ALTER TABLE orders DROP COLUMN qty",
    "TABLE activity_log ALTER COLUMN qty": "ALTER TABLE activity_log ADD COLUMN qty text",
}
EXAMPLES = {
    "ALTER ROLE CURRENT_USER SET search_path = ...": "the dots are the reader's own schemas",
}


@dataclass(frozen=True)
class Text:
    """A text in the code; its gaps are filled with samples, or with X."""

    source: str
    line: int
    text: str
    is_hint: bool
    gaps: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


@cache
def texts() -> list[Text]:
    """Return all texts in the code. It takes seconds: call it in tests, never to collect them."""
    return [text for source in ROOT.glob("reconciler/**/*.py") for text in _texts_of(source)]


def _texts_of(source: Path) -> Iterator[Text]:
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    hints = {
        id(part)
        for call in nodes
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "hint"
        for part in ast.walk(keyword.value)
    }
    taken = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if not isinstance(node, ast.JoinedStr | ast.Constant) or id(node) in taken:
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        taken.update(id(part) for parent in parts for part in ast.walk(parent))
        gaps = [ast.unparse(part.value) for part in parts if isinstance(part, ast.FormattedValue)]
        text = "".join(_written(part) for part in parts)
        yield Text(
            source=source.relative_to(ROOT).as_posix(),
            line=node.lineno,
            text=text,
            is_hint=id(node) in hints,
            gaps=tuple(gaps),
        )


def _written(part: ast.expr) -> str:
    match part:
        case ast.Constant(value=str(text)):
            return text
        case ast.FormattedValue(value=gap):
            return SAMPLES.get(ast.unparse(gap), "X")
        case _:
            return ""


def calls() -> list[tuple[str, str]]:
    call = re.compile(r"\breconciler((?: [a-z]+)+(?: --[a-z-]+)*)")
    found = {
        (str(text), found[0])
        for text in texts()
        for found in call.finditer(text.text)
        if not any(found[0].startswith(name) for name in NO_CALLS)
    }
    return sorted(found)


def statements() -> list[tuple[str, str]]:
    statement = re.compile(r"\b((?:ALTER|GRANT|CREATE|DROP|VACUUM) [A-Z]+\b[^;]*)")
    found = {
        (str(text), found[1].strip())
        for text in texts()
        if text.is_hint
        for found in statement.finditer(text.text)
    }
    return sorted(one for one in found if one[1] not in EXAMPLES)


def test_a_call_in_a_text_names_a_command_and_options_that_exist() -> None:
    wrong = [(where, call) for where, call in calls() if not _can_be_called(call)]

    assert wrong == []
    assert calls()


def _can_be_called(call: str) -> bool:
    words = iter(call.split()[1:])
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), next(words, ""))
    if command is None:
        return False
    known = {flag for parameter in command.params for flag in parameter.opts}
    return {word for word in words if word.startswith("--")} <= known


def test_every_script_and_page_in_a_text_exists() -> None:
    named = re.compile(r"\b(?:scripts/[a-z][a-z-]*|docs/[\w/-]+\.md(?:#[\w-]+)?)")
    every = [(str(text), found) for text in texts() for found in named.findall(text.text)]

    missing = [(where, name) for where, name in every if not _is_there(name)]

    assert missing == []
    assert every


def _is_there(name: str) -> bool:
    path, _, anchor = name.partition("#")
    target = ROOT / path
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


def test_a_statement_in_a_hint_runs_on_the_sample_database(
    new_database_url: Callable[[], str],
) -> None:
    refused = {}

    for where, statement in statements():
        with psycopg.connect(new_database_url(), autocommit=True) as connection:
            for part, before in BEFORE.items():
                if part in statement:
                    connection.execute(before)
            try:
                connection.execute(sql.SQL(statement))
            except psycopg.Error as error:
                refused[where, statement] = str(error)

    assert refused == {}
    assert statements()


def test_every_gap_in_a_statement_of_a_hint_has_a_sample() -> None:
    missing = {
        (str(text), gap)
        for text in texts()
        if text.is_hint and re.search(r"\b(?:ALTER|GRANT|CREATE|DROP) ", text.text)
        for gap in text.gaps
        if gap not in SAMPLES
    }

    assert missing == set()


def test_no_text_names_a_package_of_ours_to_install() -> None:
    naming = [str(text) for text in texts() if re.search(r"\bpip3? install", text.text)]

    assert naming == []
