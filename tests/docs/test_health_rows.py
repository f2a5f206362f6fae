"""The runbook has a section for each row of `health`, with what the row says to type."""

import click
import pytest

from reconciler.cli.app import cli
from reconciler.telemetry.health import Grade, HealthRow, Slug

from .documents import read, section

RUNBOOK = read("docs/how-to/incident-runbook.md")


@pytest.mark.parametrize("slug", Slug)
def test_each_row_has_its_section_in_the_runbook_with_the_command_to_type(slug: Slug) -> None:
    row = HealthRow.of(slug, "", Grade.WARNING)
    page, _, anchor = row.runbook.partition("#")

    title = anchor.replace("-", " ").capitalize()
    text = RUNBOOK.partition(f"\n## {title}\n")[2].partition("\n## ")[0]

    assert page == "incident-runbook.md"
    assert row.command in text


@pytest.mark.parametrize("slug", Slug)
def test_what_each_row_says_to_type_is_a_command(slug: Slug) -> None:
    program, *words = HealthRow.of(slug, "", Grade.WARNING).command.split()

    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None, word
        command = found

    assert program == "reconciler"
    assert not isinstance(command, click.Group)


def test_each_row_is_in_the_table_of_the_reference() -> None:
    table = section(read("docs/reference/commands.md"), "`reconciler health`")

    missing = {slug for slug in Slug if HealthRow.of(slug, "", Grade.HEALTHY).name not in table}

    assert missing == set()
