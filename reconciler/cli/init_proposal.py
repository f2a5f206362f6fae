"""Look at a database for `reconciler init`, and let a person answer what it does not say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from reconciler.adoption.draft import Place, Proposal
from reconciler.adoption.proposal import SamplingPlan, plan_sample, propose
from reconciler.adoption.tables import Candidate, clear_choice, find_candidates
from reconciler.cli.init_prompts import ask_questions, ask_table
from reconciler.cli.ui.progress import show_activity
from reconciler.config_file.sql_text import TableName, parse_table_name
from reconciler.errors import ConfigurationError, Problem
from reconciler.store.database import Database
from reconciler.store.discovery import (
    Description,
    Relation,
    describe,
    find_relation,
    list_relations,
    read_only,
)
from reconciler.store.sampling import Sample, take_sample


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """How to answer what the database does not say, and where to write."""

    takes_best_guess: bool
    table: str | None
    replaces: bool


def propose_for_database(
    database: Database, exchange: str, options: InitOptions
) -> tuple[Proposal, Sequence[Candidate]]:
    """Look at the database, and ask. No transaction is open while a person thinks."""
    with _looking("looking for tables of orders"), read_only(database) as connection:
        relations, named = list_relations(connection), None
        if options.table is not None:
            found = find_relation(connection, _parsed(options.table))
            named = _named_relation(found, options.table)
    candidates = find_candidates(relations)
    relation = named or _choose(candidates, relations, options)
    with read_only(database) as connection:
        description = describe(connection, relation)
    return _answered(database, description, exchange, options), candidates


def _sample(database: Database, description: Description, plan: SamplingPlan) -> Sample:
    name = description.relation.sql_name
    with _looking(f"reading a sample of {name}"), read_only(database) as connection:
        return take_sample(
            connection,
            description,
            columns=plan.columns,
            counted=plan.counted,
            times=plan.times,
            lookups=plan.lookups,
        )


def _looking(what: str) -> Any:
    return show_activity(what)


def _parsed(table: str) -> TableName:
    name = parse_table_name(table)
    if name is None:
        raise click.UsageError(
            f"{table!r} is no name of a table. Write it as SQL does: 'oms.\"Trade Orders\"'."
        )
    return name


def _named_relation(relation: Relation | None, table: str) -> Relation:
    if relation is None:
        raise ConfigurationError(
            [
                Problem(
                    what=f"there is no table or view {table}, or we may not see it",
                    hint="write its name as SQL does, with its schema, or leave --table out",
                )
            ]
        )
    return relation


def _choose(
    candidates: list[Candidate], relations: Sequence[Relation], options: InitOptions
) -> Relation:
    """Return the table that looks like orders; ask if there are several.

    Raises:
        ConfigurationError: there is none, or several and nobody can be asked.
    """
    chosen = clear_choice(candidates)
    if chosen is not None:
        return chosen.relation
    if not candidates:
        raise ConfigurationError([_nothing_found(relations)])
    if not options.takes_best_guess:
        return ask_table(candidates)
    raise ConfigurationError(
        [
            Problem(
                what="several tables look like orders: "
                + ", ".join(f"{one.relation.sql_name} ({one.description})" for one in candidates),
                hint="name one of them: reconciler init --yes --table"
                f" {_for_shell(candidates[0].relation.sql_name)}",
            )
        ]
    )


def _for_shell(text: str) -> str:
    return text if text.replace("_", "").replace(".", "").isalnum() else f"'{text}'"


def _nothing_found(relations: Sequence[Relation]) -> Problem:
    seen = (
        f"none of the {len(relations):,} tables and views that this role may read looks like orders"
        if relations
        else "this role may read no table in this database"
    )
    return Problem(
        what=f"{seen}: none has a status, and a symbol or the exchange's id of an order",
        hint="name the application's database in DATABASE_URL, let its role read the table,"
        " or name the table: reconciler init --table NAME",
    )


def _answered(
    database: Database, description: Description, exchange: str, options: InitOptions
) -> Proposal:
    """Return the proposal with all answers that a person gives."""
    answers: dict[Place, str] = {}
    plan = plan_sample(description)
    sample = _sample(database, description, plan)
    while True:
        proposal = propose(description, sample, exchange=exchange, answers=answers)
        asked = [question for question in proposal.questions if not question.is_for_file]
        if options.takes_best_guess or not asked:
            return proposal
        # With these answered, some of the others need not be asked.
        first = [question for question in asked if question.must_be_answered]
        answers |= ask_questions(first or asked, seen=answers)
        planned = plan_sample(description, answers)
        if planned != plan:
            plan, sample = planned, _sample(database, description, planned)
