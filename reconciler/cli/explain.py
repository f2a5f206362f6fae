"""`reconciler explain`: why is this order, or is it not, being reconciled?"""

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from reconciler.cli.audit import print_changes, read_order_id, tell_unknown
from reconciler.cli.control_client import ask_supervisor
from reconciler.cli.exit_codes import Exit
from reconciler.cli.explanation import Facts, answer, details, is_due
from reconciler.cli.logs import load_settings
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import console, print_json, print_table
from reconciler.domain.order import OrderId
from reconciler.errors import ConfigurationError, NoSupervisor
from reconciler.settings import Settings
from reconciler.store.activity import read_history
from reconciler.store.database import Database
from reconciler.store.explain import read_lock_holders, read_row
from reconciler.store.holds import read_hold
from reconciler.store.shared_state import read_halt
from reconciler.store.tables import find_orders
from reconciler.supervisor.status import OrderLocation

MOST_ENTRIES = 5


@click.command(
    "explain",
    short_help="Say why an order is, or is not, being reconciled.",
    epilog="""\b
Try it:
  reconciler explain 4711
  reconciler explain 0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11 --json""",
)
@click.argument("order_id", callback=read_order_id)
@json_option
def explain_command(*, order_id: OrderId, as_json: bool) -> None:
    """Say why an order is, or is not, being reconciled, and then all that is known of it.

    ORDER_ID is the order's id in the table orders. Asks the database and the running supervisor;
    without one it says that this part is not known. Writes nothing and locks nothing. Ends with
    code 1 if there is no such order.
    """
    facts = _found_out(load_settings(), order_id)
    show = _print_json if as_json else _print
    show(facts)
    sys.exit(Exit.GOOD if facts.is_known else Exit.INCOMPLETE)


def _found_out(settings: Settings, order_id: OrderId) -> Facts:
    with (
        closing(Database(settings.required_database_url, role="explain")) as database,
        database.autocommit() as connection,
    ):
        orders = find_orders(connection)
        row = read_row(connection, orders, order_id, stale_after=settings.stale_after)
        location, unanswered = (None, None) if row is None else _ask(settings, row.symbol, order_id)
        return Facts(
            order_id=str(order_id),
            row=row,
            hold=read_hold(connection, str(order_id)),
            holders=() if row is None else read_lock_holders(connection, orders, order_id),
            location=location,
            unanswered=unanswered,
            halted=read_halt(connection),
            activity=read_history(connection, str(order_id)),
        )


def _ask(
    settings: Settings, symbol: str, order_id: OrderId
) -> tuple[OrderLocation | None, str | None]:
    """Return where the supervisor has the order, or why it does not say."""
    try:
        where = ask_supervisor(settings, "locate", OrderLocation, key=symbol, id=str(order_id))
    except NoSupervisor as error:
        return None, str(error)
    except ConfigurationError as error:
        return None, f"the supervisor refuses to say: {error.problems[0].what}"
    return where, None


def _print(facts: Facts) -> None:
    if not facts.is_known:
        tell_unknown(facts.order_id)
        return
    click.echo(answer(facts))
    console().print()
    symbol = "" if facts.row is None or not facts.row.symbol else f", {facts.row.symbol}"
    print_table(["", ""], details(facts), title=f"Order {facts.order_id}{symbol}")
    if not facts.activity:
        click.echo("the reconciler has never changed it")
        return
    print_changes(facts.activity[-MOST_ENTRIES:], title="Last changes")


def _print_json(facts: Facts) -> None:
    print_json(_as_json(facts))


def _as_json(facts: Facts) -> Mapping[str, Any]:
    return {
        "order_id": facts.order_id,
        "is_known": facts.is_known,
        "answer": answer(facts) if facts.is_known else None,
        "is_due": is_due(facts),
        "row": None if facts.row is None else asdict(facts.row),
        "hold": None if facts.hold is None else asdict(facts.hold),
        "row_held_by": [asdict(holder) for holder in facts.holders],
        "supervisor": facts.location,
        "supervisor_unanswered": facts.unanswered,
        "halt": facts.halted,
        "activity": [asdict(entry) for entry in facts.activity[-MOST_ENTRIES:]],
    }
