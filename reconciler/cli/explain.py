"""`reconciler explain`: why an order is, or is not, being reconciled."""

import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from reconciler.cli.audit import print_changes, print_unknown
from reconciler.cli.exit_codes import Exit
from reconciler.cli.logs import load_settings
from reconciler.cli.order_id import parse_order_id
from reconciler.cli.ui.options import json_option
from reconciler.cli.ui.output import console, print_json, print_table
from reconciler.explanation.answer import OrderSnapshot, answer, details, is_due
from reconciler.explanation.snapshot import take_snapshot
from reconciler.settings import Settings
from reconciler.store.database import Database
from reconciler.store.orders_table import read_orders_table
from reconciler.store.user_table import UserTable

MAX_ENTRIES = 5


@click.command(
    "explain",
    epilog="""\b
Try it:
  reconciler explain 4711
  reconciler explain 0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11 --json""",
)
@click.argument("order_id")
@json_option
def explain_command(*, order_id: str, as_json: bool) -> None:
    """Explain why an order is, or is not, being reconciled, and show the facts behind it.

    ORDER_ID is the order's id in the table orders. Asks the database and the running supervisor;
    without a supervisor it says that this part is not known. Writes nothing and takes no lock.
    Exits with code 1 if no such order is known.
    """
    snapshot = _take_snapshot(load_settings(), order_id)
    show = _print_json if as_json else _print
    show(snapshot)
    sys.exit(Exit.OK if snapshot.is_known else Exit.INCOMPLETE)


def _take_snapshot(settings: Settings, text: str) -> OrderSnapshot:
    with (
        closing(
            Database(settings.required_database_url, role="explain", scope=settings.scope)
        ) as database,
        database.autocommit() as connection,
    ):
        orders = read_orders_table(connection, UserTable(settings.orders))
        return take_snapshot(connection, settings, orders, parse_order_id(text, orders))


def _print(snapshot: OrderSnapshot) -> None:
    if not snapshot.is_known:
        print_unknown(snapshot.order_id)
        return
    click.echo(answer(snapshot))
    console().print()
    symbol = "" if snapshot.row is None or not snapshot.row.symbol else f", {snapshot.row.symbol}"
    print_table(["", ""], details(snapshot), title=f"Order {snapshot.order_id}{symbol}")
    if not snapshot.activity:
        click.echo("the reconciler has never changed it")
        return
    print_changes(snapshot.activity[-MAX_ENTRIES:], title="Last changes")


def _print_json(snapshot: OrderSnapshot) -> None:
    print_json(_to_dict(snapshot))


def _to_dict(snapshot: OrderSnapshot) -> Mapping[str, Any]:
    return {
        "order_id": snapshot.order_id,
        "is_known": snapshot.is_known,
        "answer": answer(snapshot) if snapshot.is_known else None,
        "is_due": is_due(snapshot),
        "row": None if snapshot.row is None else asdict(snapshot.row),
        "hold": None if snapshot.hold is None else asdict(snapshot.hold),
        "row_held_by": [asdict(holder) for holder in snapshot.holders],
        "supervisor": snapshot.location,
        "supervisor_unanswered": snapshot.unanswered,
        "halt": snapshot.halted,
        "activity": [asdict(entry) for entry in snapshot.activity[-MAX_ENTRIES:]],
    }
