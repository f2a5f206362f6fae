"""Decide on holds from the command line: the ids, the confirmation, and the result."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.order_id import parse_order_id, read_orders_if_suitable
from reconciler.cli.ui.output import print_json, print_problems
from reconciler.cli.ui.progress import CountProgress
from reconciler.domain.order import OrderId
from reconciler.errors import Problem
from reconciler.store.bulk_holds import HoldCount, HoldFilter
from reconciler.store.database import Database
from reconciler.store.hold_decisions import DecisionResult, HoldDecision
from reconciler.store.user_table import UserTable


class ConfirmationRequired(click.ClickException):
    """Deciding all holds that match a filter needs a confirmation, and there is no terminal."""

    exit_code = Exit.USAGE

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self._problem = problem

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print the problem and its hint."""
        print_problems([self._problem], label="error: ", stderr=True)


def print_result(result: DecisionResult, *, as_json: bool) -> None:
    """Print the result, and exit with code 1 if a hold was refused."""
    if as_json:
        print_json(
            {
                "matched": result.matched,
                result.verb: result.done,
                "refused": result.refused,
                "refusals": result.refusals,
                "by": result.by,
            }
        )
    elif not result.matched:
        click.echo("no hold matches that: nothing was done")
    else:
        for refusal in result.refusals:
            click.echo(refusal["why"], err=True)
        if result.refused > len(result.refusals):
            click.echo(f"... and {result.refused - len(result.refusals):,} more", err=True)
        of_all = f" of {result.matched:,}" if result.done != result.matched else ""
        were = "hold was" if result.matched == 1 else "holds were"
        click.echo(f"{result.done:,}{of_all} {were} {result.verb} by {result.by}")
        if result.gone:
            click.echo(f"{result.gone:,} had ended or changed before their turn", err=True)
    if result.refused:
        sys.exit(Exit.INCOMPLETE)


def confirm(count: HoldCount, verb: str, *, is_confirmed: bool) -> None:
    """Show the number of holds by reason, and ask whether to go on unless `is_confirmed`.

    Raises:
        ConfirmationRequired: there is no terminal to ask on.
        click.Abort: the answer is no.
    """
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in count.by_reason.items())
    click.echo(f"{count.total:,} holds: {reasons}", err=True)
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise ConfirmationRequired(
            Problem(
                what=f"{count.total:,} holds would be {verb}, but there is no terminal on which to"
                " ask for confirmation: nothing was done",
                hint="look at them with: reconciler holds list; then add --yes",
            )
        )
    click.confirm(f"should these holds be {verb}?", abort=True, err=True)


def parse_ids(database: Database, table: UserTable, texts: Sequence[str]) -> Sequence[OrderId]:
    """Return the ids that the person named.

    Raises:
        click.BadParameter: the table cannot have one of them.
    """
    with database.autocommit() as connection:
        orders = read_orders_if_suitable(connection, table)
    return [parse_order_id(text, orders) for text in texts]


def decide_matching(
    decision: HoldDecision, hold_filter: HoldFilter, *, is_confirmed: bool
) -> DecisionResult:
    """Decide all holds that match a filter, after the person has confirmed their number.

    Raises:
        ConfirmationRequired: there is no terminal to ask on.
        click.Abort: the answer is no.
    """
    count = decision.count(hold_filter)
    if count.total:
        confirm(count, decision.verb, is_confirmed=is_confirmed)
    with CountProgress(decision.activity, count.total) as progress:
        return decision.decide_counted(
            hold_filter, count, lambda result: progress.update(result.done + result.refused)
        )
