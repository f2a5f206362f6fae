"""What the documents tell a reader to type is no nonsense."""

import json
import shlex
import subprocess

import click
import pytest
from sqlalchemy import text

from reconciler.cli.app import cli
from reconciler.store.database import Database

from .documents import Block, blocks

MANY_ROWS, FEW_ROWS = "2000000", "2000"


def typed_in(block: Block) -> str:
    """Return what is typed at a prompt, without what is printed; without a prompt all of it."""
    if block.language == "bash":
        return block.code
    typed: list[str] = []
    for line in block.code.splitlines():
        if line.startswith("$ "):
            typed.append(line.removeprefix("$ "))
        elif typed and goes_on(typed[-1]):
            typed[-1] += f"\n{line}"
    return "\n".join(typed)


def goes_on(command: str) -> bool:
    """Whether the shell would wait for another line."""
    try:
        shlex.split(command)
    except ValueError:
        return True
    return command.endswith("\\")


def calls_of_ours() -> list[list[str]]:
    lines = [
        line.strip()
        for block in blocks("bash", "console")
        for line in typed_in(block).replace("\\\n", " ").splitlines()
    ]
    return [
        shlex.split(line, comments=True)[1:] for line in lines if line.startswith("reconciler ")
    ]


@pytest.mark.parametrize("block", blocks("bash", "console"), ids=str)
def test_shell_snippets_parse(block: Block) -> None:
    bash = subprocess.run(
        ["/usr/bin/env", "bash", "-n"],
        input=typed_in(block),
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
    "block", [block for block in blocks("sql") if block.marker != "grants"], ids=str
)
def test_sql_snippets_run(block: Block, database: Database) -> None:
    with database.connection() as connection:
        connection.execute(text(block.code.replace(MANY_ROWS, FEW_ROWS)))
        connection.rollback()


@pytest.mark.parametrize("arguments", calls_of_ours(), ids=" ".join)
def test_calls_of_the_command_name_commands_and_options_that_exist(arguments: list[str]) -> None:
    command: click.Command = cli
    words = iter(arguments)
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), next(words)) or click.Command("none")
    flags = [word.partition("=")[0] for word in words if word.startswith("-")]

    known = {flag for parameter in command.params for flag in parameter.opts} | {"-h", "--help"}

    assert set(flags) <= known
    assert command.name != "none"
