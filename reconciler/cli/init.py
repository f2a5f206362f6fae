"""`reconciler init`: propose the configuration file from the user's database, and write it."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import click

from reconciler.adoption.config_text import read_orders_text, without_orders
from reconciler.adoption.draft import Proposal
from reconciler.adoption.tables import Candidate
from reconciler.adoption.toml_text import write_proposal
from reconciler.cli.exit_codes import Exit
from reconciler.cli.init_prompts import ask_to_replace
from reconciler.cli.init_proposal import InitOptions, propose_for_database
from reconciler.cli.init_report import print_proposal, to_json
from reconciler.cli.logs import set_up_logs, warnings_only
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import print_json, print_problems
from reconciler.errors import ConfigurationError, Problem
from reconciler.settings import DEFAULT_CONFIG, Settings
from reconciler.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """A finished proposal: of which table, its text, and the file that it was written to."""

    candidates: Sequence[Candidate]
    proposal: Proposal
    text: str
    file: Path
    unanswered: Sequence[Problem] = field(default_factory=tuple)


@click.command(
    "init",
    epilog="""\b
Try it:
  reconciler init                          look, ask, and write reconciler.toml
  reconciler init --yes                    take the best guess where there is one
  reconciler init --table 'oms."Order"'    for this table""",
)
@environment_option(
    "--yes",
    "takes_best_guess",
    variable="RECONCILER_INIT_YES",
    help_text="Ask nothing: take the best guess where there is one. What cannot be guessed is left"
    " empty in the file, is named, and the exit code is 78.",
    is_flag=True,
)
@environment_option(
    "--table",
    variable="RECONCILER_INIT_TABLE",
    help_text="The table with the orders, as SQL writes its name.",
    metavar="NAME",
)
@environment_option(
    "--force",
    "replaces",
    variable="RECONCILER_INIT_FORCE",
    help_text="Replace [orders] in an existing file without asking; what else it has stays.",
    is_flag=True,
)
@json_option
def init_command(
    *, takes_best_guess: bool, table: str | None, replaces: bool, as_json: bool
) -> None:
    """Propose reconciler.toml from your database, with the reasons as comments, and write it.

    Looks for the table with the orders, finds the columns, reads which statuses there are, and
    asks what it cannot know. Reads a bounded sample and writes nothing to the database.

    Exits with code 0 when the file can be used; 78 if lines are left to fill in, if no table looks
    like orders, or if the file exists and may not be replaced; 69 if the database does not answer.
    """
    options = InitOptions(takes_best_guess=takes_best_guess, table=table, replaces=replaces)
    settings = _load_settings()
    file = Path(settings.config or DEFAULT_CONFIG)
    kept = _text_to_keep(file, options)
    with closing(Database(settings.required_database_url, role="init")) as database:
        proposal, candidates = propose_for_database(database, settings.exchange_name, options)
    text = write_proposal(proposal)
    whole = f"{kept}\n\n{text}" if kept else text
    adoption = Adoption(
        candidates=candidates,
        proposal=proposal,
        text=text,
        file=file,
        unanswered=_checked(proposal, whole, file),
    )
    _write(file, whole)
    if as_json:
        print_json(to_json(adoption))
    else:
        print_proposal(adoption)
    if adoption.unanswered:
        print_problems(adoption.unanswered, label="error: ", stderr=True)
        sys.exit(Exit.CONFIGURATION)


def _load_settings() -> Settings:
    """Read the settings. What is wrong with the file that is to be written does not matter."""
    settings, invalid, problems = Settings.load_valid()
    if invalid:
        raise ConfigurationError(problems)
    set_up_logs(warnings_only(settings))
    return settings


def _text_to_keep(file: Path, options: InitOptions) -> str:
    """Return what is to stay of an existing file.

    Raises:
        ConfigurationError: it may not be replaced, or cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _cannot(file, "read", error) from None
    if not options.replaces:
        if options.takes_best_guess:
            raise ConfigurationError(
                [
                    Problem(
                        what=f"{file} exists",
                        hint="to replace [orders] in it, and leave the rest as it is, run:"
                        " reconciler init --yes --force",
                    )
                ]
            )
        ask_to_replace(file)
    return without_orders(text, name=str(file))


def _checked(proposal: Proposal, text: str, file: Path) -> Sequence[Problem]:
    """Return the lines that are left to fill in.

    Raises:
        ConfigurationError: nothing is left to fill in, and yet the text says something else than
            was proposed. Nothing is written then.
    """
    lines = text.splitlines()
    unanswered = [
        Problem(
            what=f"{file}, line {lines.index(question.blank) + 1}: {question.what}",
            hint=f"fill in the empty quotes: {question.blank}",
        )
        for question in proposal.open_questions
    ]
    if unanswered:
        return unanswered
    config, problems = read_orders_text(text, name=str(file))
    if config is None:
        raise ConfigurationError(problems)
    return ()


def _write(file: Path, text: str) -> None:
    """Write the file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot(file, "written", error) from None


def _cannot(file: Path, act: str, error: Exception) -> ConfigurationError:
    why = getattr(error, "strerror", None) or "it is not text in UTF-8"
    return ConfigurationError(
        [
            Problem(
                what=f"{file} cannot be {act}: {why}",
                hint="run this in a folder that you may write, or set RECONCILIATION_CONFIG to a"
                " file in one",
            )
        ]
    )
