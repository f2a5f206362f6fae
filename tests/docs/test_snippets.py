"""The snippets in the documents are valid."""

import json
import shlex
import subprocess

import click
import pytest
from sqlalchemy import text

from reconciler.cli.app import cli
from reconciler.config_file.document import parse_document
from reconciler.config_file.sections import read_sections
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.store.side_table import create_side_table, read_side_table
from reconciler.store.user_table import DEFAULT_TABLE
from tests.adoption.platforms import PLATFORMS

from .documents import DOCUMENTS, Block, blocks, codes_in, marked, typed_in

TESTED_ELSEWHERE = {"grants", "shadow_grants", "side table", *(f"{name}.sql" for name in PLATFORMS)}
MANY_ROWS, FEW_ROWS = "2000000", "2000"


NOT_COMMANDS = {
    # The names of our connections in pg_stat_activity.
    "reconciler supervisor",
    "reconciler worker 0",
    "reconciler worker 0 binance-7",
    # An option of the group, without a command.
    "reconciler --version",
}


def calls_of_ours() -> list[list[str]]:
    """Return the arguments of each call of our command, in blocks and in the prose."""
    lines = [
        line.strip()
        for block in blocks("bash", "console")
        for command in typed_in(block)
        for line in command.replace("\\\n", " ").splitlines()
    ]
    lines += [code for name in DOCUMENTS for code in codes_in(name.read_text(encoding="utf-8"))]
    ours = {line for line in lines if line.startswith(("reconciler ", ".venv/bin/reconciler "))}
    return [shlex.split(line, comments=True)[1:] for line in sorted(ours - NOT_COMMANDS)]


@pytest.mark.parametrize("block", blocks("bash", "console"), ids=str)
def test_shell_snippets_parse(block: Block) -> None:
    bash = subprocess.run(
        ["/usr/bin/env", "bash", "-n"],
        input="\n".join(typed_in(block)),
        text=True,
        capture_output=True,
        check=False,
    )

    assert bash.stderr == ""
    assert bash.returncode == 0


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_snippets_compile(block: Block) -> None:
    compile(block.code, block.document, "exec")


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_snippets_are_json(block: Block) -> None:
    assert json.loads(block.code)


@pytest.mark.parametrize(
    "block",
    [block for block in blocks("sql") if block.marker not in TESTED_ELSEWHERE],
    ids=str,
)
def test_sql_snippets_run(block: Block, database: Database) -> None:
    with database.connection() as connection:
        connection.execute(text(block.code.replace(MANY_ROWS, FEW_ROWS)))
        connection.rollback()


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_configuration_files_have_no_problem(block: Block) -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()}

    file = read_sections(
        parse_document(block.code, name="it"), variables=known, secrets=(), own_variable=""
    )

    assert not file.problems
    assert file.orders or file.settings


def test_the_times_come_back_from_the_side_table(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(text("INSERT INTO orders (id, symbol) VALUES (1, 'BTCUSDT')"))
        connection.execute(text("CREATE ROLE reconciler"))
        create_side_table(connection, DEFAULT_TABLE)
        connection.execute(text("INSERT INTO reconciliation_sync VALUES (1, '2026-01-02 UTC')"))

        for block in marked("side table"):
            connection.execute(text(block.code))

        times = connection.execute(text("SELECT last_synced_at::date::text FROM orders")).scalars()
        assert times.all() == ["2026-01-02"]
        assert not read_side_table(connection)
        connection.rollback()


@pytest.mark.parametrize("arguments", calls_of_ours(), ids=" ".join)
def test_calls_name_commands_and_options_that_exist(arguments: list[str]) -> None:
    command: click.Command = cli
    words = iter(arguments)
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), next(words)) or click.Command("none")
    flags = [word.partition("=")[0] for word in words if word.startswith("-")]

    known = {flag for parameter in command.params for flag in parameter.opts} | {"-h", "--help"}

    assert set(flags) <= known
    assert command.name != "none"
