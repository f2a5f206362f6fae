"""Completion in real shells, set up in an empty home as docs/how-to/shell-completion.md says."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.documents import marked
from tests.optional_programs import require_program
from tests.terminal import on_terminal

BIN = Path(sys.executable).parent
IN_BASH = """
. ~/.bashrc
COMP_WORDS=(reconciler holds list --reason re)
COMP_CWORD=4
_reconciler_completion reconciler
echo "${COMPREPLY[*]}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return {"HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}", "PS1": "ready> "}


def set_up(shell: Path | str, marker: str, environment: Mapping[str, str]) -> None:
    """Type what the page says."""
    (block,) = marked(marker)
    run(shell, block.code, environment)


def run(shell: Path | str, text: str, environment: Mapping[str, str]) -> str:
    return subprocess.run(  # noqa: S603 - the commands of our own page
        [shell, "-c", text],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout


def test_bash_completes_the_words_of_an_option(environment: Mapping[str, str]) -> None:
    set_up("/bin/bash", "completion_bash", environment)

    assert run("/bin/bash", IN_BASH, environment) == "regression\n"


def test_fish_completes_commands_and_options(environment: Mapping[str, str]) -> None:
    fish = require_program("fish")
    set_up(fish, "completion_fish", environment)

    commands = run(fish, 'complete -C "reconciler ho"', environment)
    options = run(fish, 'complete -C "reconciler holds list --rea"', environment)

    assert commands.split("\t")[0] == "holds"
    assert options.split()[0] == "--reason"


def test_zsh_completes_what_is_typed(environment: Mapping[str, str]) -> None:
    zsh = require_program("zsh")
    set_up(zsh, "completion_zsh", environment)

    with on_terminal(command=(str(zsh), "-i"), environment=environment) as terminal:
        terminal.wait_for(b"ready> ")
        terminal.press(b"reconciler heal\t--js\t\n")
        terminal.wait_for(b"--json")
        terminal.wait_for(b"DATABASE_URL is not set")

    assert b"command not found" not in terminal.written
