"""`reconciler holds`: the orders that wait for time or a person."""

from collections.abc import Iterator
from dataclasses import asdict

import click

from reconciler.cli.database import open_database
from reconciler.cli.hold_decisions import decide_matching, parse_ids, print_result
from reconciler.cli.hold_options import HoldSelection, hold_options, reason_option, symbol_option
from reconciler.cli.operator_name import by_option, required_operator
from reconciler.cli.order_id import parse_order_id, read_orders_if_suitable
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import print_json, print_table
from reconciler.domain.decide import HoldReason
from reconciler.domain.status import Status
from reconciler.explanation.row_and_report import row_and_report
from reconciler.formatting import moment
from reconciler.store.hold_acceptance import NotAcceptable
from reconciler.store.hold_decisions import (
    AcceptHolds,
    DismissHolds,
    HoldDecision,
)
from reconciler.store.holds import HeldOrder, list_holds, read_hold
from reconciler.store.locked_holds import NoSuchHold, no_such_hold
from reconciler.store.user_table import UserTable

MAX_LISTED = 1000


@click.group("holds")
def holds_command() -> None:
    """List, show, accept or dismiss the orders that could not be reconciled.

    They wait for time or for a person.
    """


@holds_command.command("list")
@reason_option
@symbol_option
@environment_option(
    "--all",
    "with_resolved",
    variable="RECONCILER_HOLDS_ALL",
    help_text="Also holds that have ended.",
    is_flag=True,
)
@json_option
def list_command(
    *, reason: str | None, symbol: str | None, with_resolved: bool, as_json: bool
) -> None:
    """List the orders on hold, the longest held first."""
    with open_database("holds") as (database, settings), database.autocommit() as connection:
        found = list_holds(
            connection,
            settings.scope,
            reason=None if reason is None else HoldReason(reason),
            symbol=symbol,
            with_resolved=with_resolved,
            limit=MAX_LISTED,
        )
    if as_json:
        print_json({"holds": [asdict(hold) for hold in found]})
        return
    if not found:
        click.echo("no order is on hold")
        return
    columns = ["order", "reason", "attempts", "held since (UTC)", "next attempt (UTC)", "ended"]
    print_table(columns, [_row(hold) for hold in found])


@holds_command.command("show", short_help="Show why an order is on hold.")
@click.argument("order_id")
@json_option
def show_command(*, order_id: str, as_json: bool) -> None:
    """Show why an order is on hold: what its row says, and what the exchange says."""
    with open_database("holds") as (database, settings), database.autocommit() as connection:
        orders = read_orders_if_suitable(connection, UserTable(settings.orders))
        id_ = parse_order_id(order_id, orders)
        hold = read_hold(connection, settings.scope, str(id_))
    if hold is None:
        raise click.ClickException(str(no_such_hold(id_)))
    if as_json:
        print_json(asdict(hold))
        return
    print_table(["", ""], list(_shown(hold)), title=f"Order {hold.order_id}: {hold.reason.value}")


@holds_command.command("accept", short_help="Write the exchange's view over the rows.")
@hold_options
@by_option
@environment_option(
    "--status",
    variable="RECONCILER_HOLDS_STATUS",
    help_text="The true status, if the exchange has none that we know.",
    type=click.Choice([status.value for status in Status if status.is_terminal]),
)
def accept_command(
    *, selection: HoldSelection, by: str | None, status: str | None, as_json: bool
) -> None:
    """Write the exchange's view, which `holds show` prints, over the rows, in your name.

    Name orders, or choose holds with --reason, --symbol or --all: then their number is shown, and
    you are asked for confirmation. Each order is a change of its own in the audit trail.

    If the exchange does not know an order or its status, give the true status with --status. A row
    that has changed since it was held is not written.
    """
    operator = required_operator(by)
    with open_database("holds") as (database, settings):
        decision = AcceptHolds(
            database=database,
            table=UserTable(settings.orders),
            scope=settings.scope,
            by=operator,
            exchange=settings.exchange_name,
            status=None if status is None else Status(status),
        )
        _decide(decision, selection, as_json=as_json)


@holds_command.command("dismiss", short_help="End holds; the orders are tried again.")
@hold_options
@by_option
def dismiss_command(*, selection: HoldSelection, by: str | None, as_json: bool) -> None:
    """End holds; the orders are tried again in the next sweep.

    Name orders, or choose holds with --reason, --symbol or --all: then their number is shown, and
    you are asked for confirmation.
    """
    operator = required_operator(by)
    with open_database("holds") as (database, settings):
        decision = DismissHolds(
            database=database,
            table=UserTable(settings.orders),
            scope=settings.scope,
            by=operator,
        )
        _decide(decision, selection, as_json=as_json)


def _decide(decision: HoldDecision, selection: HoldSelection, *, as_json: bool) -> None:
    if selection.hold_filter is not None:
        result = decide_matching(
            decision, selection.hold_filter, is_confirmed=selection.is_confirmed
        )
        print_result(result, as_json=as_json)
        return
    order_ids = parse_ids(decision.database, decision.table, selection.order_ids)
    if as_json or len(order_ids) > 1:
        print_result(decision.decide_each(order_ids), as_json=as_json)
        return
    (order_id,) = order_ids
    try:
        click.echo(decision.decide(order_id))
    except (NoSuchHold, NotAcceptable) as error:
        raise click.ClickException(str(error)) from error


def _row(hold: HeldOrder) -> tuple[object, ...]:
    return (
        hold.order_id,
        hold.reason.value,
        hold.attempts,
        moment(hold.first_held_at),
        moment(hold.next_attempt_at),
        hold.resolution,
    )


def _shown(hold: HeldOrder) -> Iterator[tuple[str, str]]:
    yield "why", hold.detail
    yield from row_and_report(hold)
    yield "attempts in a row", str(hold.attempts)
    yield "held since", f"{moment(hold.first_held_at)} UTC"
    if hold.resolved_at is None:
        yield "next attempt", f"{moment(hold.next_attempt_at)} UTC"
    else:
        yield "ended", f"{moment(hold.resolved_at)} UTC: {hold.resolution}"
