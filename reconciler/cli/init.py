"""`reconciler init`: propose the configuration file from the user's database, and write it."""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from reconciler.adoption.config_text import read_orders_text
from reconciler.adoption.draft import Proposal
from reconciler.adoption.toml_text import write_proposal
from reconciler.cli.checks.confirms import confirm_detail
from reconciler.cli.exit_codes import Exit
from reconciler.cli.init_file import text_to_keep, write_file
from reconciler.cli.init_proposal import InitOptions, propose_for_database
from reconciler.cli.init_report import Adoption, Preview, print_adoption, to_json
from reconciler.cli.logs import set_up_logs, warnings_only
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import print_json, print_problems
from reconciler.cli.ui.progress import show_activity
from reconciler.config_file.orders import OrdersConfig
from reconciler.errors import ConfigurationError, Problem, SchemaMismatch
from reconciler.settings import DEFAULT_CONFIG, Settings
from reconciler.store.database import Database
from reconciler.store.discovery import read_only
from reconciler.store.first_cycle import foresee_first_cycle
from reconciler.store.user_table import UserTable


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
    kept = text_to_keep(file, options)
    with closing(Database(settings.required_database_url, role="init")) as database:
        proposal, candidates = propose_for_database(database, settings.exchange_name, options)
        text = write_proposal(proposal)
        whole = f"{kept}\n\n{text}" if kept else text
        config, unanswered = _checked(proposal, whole, file)
        write_file(file, whole)
        preview = None
        if config is not None:
            preview = _foresee(database, config.of_exchange(settings.exchange_name))
    adoption = Adoption(
        candidates=candidates,
        proposal=proposal,
        text=text,
        file=file,
        unanswered=unanswered,
        preview=preview,
    )
    if as_json:
        print_json(to_json(adoption))
    else:
        print_adoption(adoption)
    problems = adoption.problems
    if problems:
        print_problems(problems, label="error: ", stderr=True)
        sys.exit(Exit.CONFIGURATION)


def _foresee(database: Database, config: OrdersConfig) -> Preview:
    """Foresee the first cycle, in a transaction that cannot write."""
    table = UserTable(config)
    with (
        show_activity("counting what will be followed"),
        read_only(database) as connection,
    ):
        try:
            cycle = foresee_first_cycle(connection, table)
        except SchemaMismatch as error:
            return Preview(problems=error.problems)
        return Preview(cycle=cycle, confirm=confirm_detail(connection, table), table=table)


def _load_settings() -> Settings:
    """Read the settings. What is wrong with the file that is to be written does not matter."""
    settings, invalid, problems = Settings.load_valid()
    if invalid:
        raise ConfigurationError(problems)
    set_up_logs(warnings_only(settings))
    return settings


def _checked(
    proposal: Proposal, text: str, file: Path
) -> tuple[OrdersConfig | None, Sequence[Problem]]:
    """Return what the text says of the table, or the lines that are left to fill in.

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
        return None, unanswered
    config, problems = read_orders_text(text, name=str(file))
    if config is None:
        raise ConfigurationError(problems)
    return config, ()
