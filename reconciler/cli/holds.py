"""`reconciler holds`: the orders that need a person."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime

import click

from reconciler.cli.audit import read_order_id
from reconciler.cli.logs import load_settings
from reconciler.cli.measures import moment
from reconciler.cli.options import environment_option, json_option
from reconciler.cli.output import print_json, print_table
from reconciler.cli.sides import both_sides
from reconciler.domain.decide import HoldReason
from reconciler.domain.order import OrderId
from reconciler.domain.status import Status
from reconciler.settings import Settings
from reconciler.store.accept import NotAcceptable, accept, acceptance_of, told
from reconciler.store.database import Database
from reconciler.store.holds import HeldOrder, dismiss_hold, list_holds, read_hold
from reconciler.store.tables import find_orders

MOST_LISTED = 1000

by_option = environment_option(
    "--by",
    variable="RECONCILER_OPERATOR",
    help_text="Your name, for the audit trail.",
    metavar="NAME",
)


class NoSuchHold(click.ClickException):
    """There is no hold to act on."""


class NobodyNamed(click.ClickException):
    """A person's decision without a person."""


@click.group("holds", short_help="List, explain, accept or dismiss the orders that need a person.")
def holds_command() -> None:
    """Show and decide the orders that could not be reconciled and wait for time or a person."""


@holds_command.command("list")
@environment_option(
    "--reason",
    variable="RECONCILER_HOLDS_REASON",
    help_text="Only those for this reason.",
    type=click.Choice([reason.value for reason in HoldReason]),
)
@environment_option(
    "--all",
    "with_resolved",
    variable="RECONCILER_HOLDS_ALL",
    help_text="Also those that have ended.",
    is_flag=True,
)
@json_option
def list_command(*, reason: str | None, with_resolved: bool, as_json: bool) -> None:
    """List the orders on hold, the longest held first."""
    with opened_database() as (database, _), database.autocommit() as connection:
        found = list_holds(
            connection,
            reason=None if reason is None else HoldReason(reason),
            with_resolved=with_resolved,
            limit=MOST_LISTED,
        )
    if as_json:
        print_json({"holds": [asdict(hold) for hold in found]})
        return
    if not found:
        click.echo("no order is on hold")
        return
    columns = ["order", "reason", "attempts", "held since (UTC)", "next attempt", "ended"]
    print_table(columns, [_row(hold) for hold in found])


@holds_command.command("show")
@click.argument("order_id", callback=read_order_id)
@json_option
def show_command(*, order_id: OrderId, as_json: bool) -> None:
    """Explain why an order is on hold: what its row says, and what the exchange says."""
    with opened_database() as (database, _), database.autocommit() as connection:
        hold = _hold_of(read_hold(connection, str(order_id)), order_id)
    if as_json:
        print_json(asdict(hold))
        return
    print_table(["", ""], list(_shown(hold)), title=f"Order {hold.order_id}: {hold.reason.value}")


@holds_command.command("accept")
@click.argument("order_id", callback=read_order_id)
@by_option
@environment_option(
    "--status",
    variable="RECONCILER_HOLDS_STATUS",
    help_text="The true status, where the exchange has none that we know.",
    type=click.Choice([status.value for status in Status if status.is_terminal]),
)
def accept_command(*, order_id: OrderId, by: str | None, status: str | None) -> None:
    """Write the exchange's view over the row, as shown by `holds show`, in your name.

    Where the exchange does not know the order, or its status, name the true one with --status. If
    the row has moved since it was held nothing is written.
    """
    name = named(by)
    wanted = None if status is None else Status(status)
    with opened_database() as (database, settings), database.transaction() as connection:
        hold = _active(read_hold(connection, str(order_id)), order_id)
        orders = find_orders(connection)
        try:
            acceptance = acceptance_of(hold, wanted, orders, now=datetime.now(UTC))
            accept(
                connection,
                orders,
                hold,
                order_id,
                acceptance,
                exchange=settings.exchange_name,
                by=name,
            )
        except NotAcceptable as error:
            raise click.ClickException(str(error)) from error
    click.echo(f"order {order_id} is now {told(acceptance.to)}, accepted by {name}")


@holds_command.command("dismiss")
@click.argument("order_id", callback=read_order_id)
@by_option
def dismiss_command(*, order_id: OrderId, by: str | None) -> None:
    """End an order's hold, so that it is tried again in the next cycle."""
    name = named(by)
    with opened_database() as (database, _), database.transaction() as connection:
        _active(read_hold(connection, str(order_id)), order_id)
        dismiss_hold(connection, str(order_id), by=name)
    click.echo(f"the hold on order {order_id} was dismissed by {name}: it is tried again")


@contextmanager
def opened_database() -> Iterator[tuple[Database, Settings]]:
    """Read the settings and open the database for a person's command."""
    settings = load_settings()
    with closing(Database(settings.required_database_url, role="holds")) as database:
        yield database, settings


def named(by: str | None) -> str:
    """Return the operator's name.

    Raises:
        NobodyNamed: there is none.
    """
    if by is None or not by.strip():
        raise NobodyNamed("a decision needs a name: give yours with --by")
    return by.strip()


def _hold_of(hold: HeldOrder | None, order_id: OrderId) -> HeldOrder:
    if hold is None:
        raise NoSuchHold(f"order {order_id} has never been on hold: see reconciler holds list")
    return hold


def _active(hold: HeldOrder | None, order_id: OrderId) -> HeldOrder:
    found = _hold_of(hold, order_id)
    if found.resolved_at is not None:
        raise NoSuchHold(
            f"order {order_id} is no longer on hold: {found.resolution}"
            f" at {moment(found.resolved_at)}"
        )
    return found


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
    yield from both_sides(hold)
    yield "attempts in a row", str(hold.attempts)
    yield "held since", moment(hold.first_held_at)
    if hold.resolved_at is None:
        yield "next attempt", moment(hold.next_attempt_at)
    else:
        yield "ended", f"{moment(hold.resolved_at)}: {hold.resolution}"
