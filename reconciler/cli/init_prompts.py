"""The questions of `reconciler init`, on standard error: standard output is for the result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from reconciler.adoption.draft import Place, Question
from reconciler.adoption.tables import Candidate
from reconciler.errors import ConfigurationError, Problem
from reconciler.store.discovery import Relation

MAX_SHOWN = 12


def ask_to_replace(file: Path) -> None:
    """Ask whether `[orders]` in an existing file may be replaced.

    Raises:
        ConfigurationError: it may not, or nobody answers.
    """
    try:
        agreed = click.confirm(
            f"{file} exists. Replace [orders] in it? What else it has stays", err=True
        )
    except click.Abort:
        raise _nobody_answers() from None
    if not agreed:
        raise ConfigurationError(
            [
                Problem(
                    what=f"{file} stays as it is",
                    hint="to write another file, set RECONCILIATION_CONFIG to its name",
                )
            ]
        )


def ask_table(candidates: Sequence[Candidate]) -> Relation:
    """Ask which of several tables has the orders."""
    click.echo("several tables look like orders:", err=True)
    for number, one in enumerate(candidates[:MAX_SHOWN], start=1):
        click.echo(f"  {number}  {one.relation.sql_name}  ({one.description})", err=True)
    chosen = _prompt(
        "which one has the orders that are sent to an exchange?",
        kind=click.IntRange(1, min(len(candidates), MAX_SHOWN)),
    )
    return candidates[int(str(chosen)) - 1].relation


def ask_questions(questions: Sequence[Question], *, seen: Mapping[Place, str]) -> dict[Place, str]:
    """Ask each question; the answer to one in `seen` was not accepted."""
    return {
        question.place: _ask(question, is_again=question.place in seen) for question in questions
    }


def _ask(question: Question, *, is_again: bool) -> str:
    if is_again:
        click.echo(f"not accepted: the answer must fit into the line {question.blank}", err=True)
    if question.choices:
        click.echo(f"  one of: {', '.join(map(repr, question.choices))}", err=True)
    kind = click.Choice(question.choices) if question.choices else None
    return str(_prompt(question.what, kind=kind, default=question.default))


def _prompt(text: str, *, kind: Any = None, default: str | None = None) -> object:
    try:
        return click.prompt(text, type=kind, default=default, err=True, show_choices=False)
    except click.Abort:
        raise _nobody_answers() from None


def _nobody_answers() -> ConfigurationError:
    return ConfigurationError(
        [
            Problem(
                what="there are questions, and nobody answers: nothing was written",
                hint="run it on a terminal, or take the best guess where there is one: reconciler"
                " init --yes",
            )
        ]
    )
