"""The commands of the guide start a console as they stand."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from ..docs.documents import marked, typed_in  # noqa: TID252 - tests are no package
from .processes import RunningConsole


@pytest.mark.parametrize(
    ("marker", "operator"),
    [("console", None), ("console that acts", "ada"), ("console behind a proxy", None)],
)
def test_each_command_of_the_guide_starts_a_console(
    marker: str, operator: str | None, module_environment: Mapping[str, str], tmp_path: Path
) -> None:
    for block in marked(marker):
        for command in typed_in(block):
            name, subcommand, *arguments = shlex.split(command)
            assert [name, subcommand] == ["reconciler", "console"]

            with RunningConsole(
                *arguments, environment=module_environment, folder=tmp_path
            ) as running:
                assert running.announced["operator"] == operator
