"""An order's id as a command's argument: what it may be depends on the table of orders."""

import re
from uuid import UUID

import click
from sqlalchemy import Connection

from reconciler.domain.order import OrderId
from reconciler.errors import SchemaMismatch
from reconciler.store.order_ids import has_texts, parse_id
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.user_table import UserTable

_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_ARGUMENTS = frozenset({"order_id", "order_ids"})


def read_orders_if_suitable(connection: Connection, table: UserTable) -> OrdersTable | None:
    """Read the table of orders; None if it is not suitable, so that its ids may be anything."""
    try:
        return read_orders_table(connection, table)
    except SchemaMismatch:
        return None


def parse_order_id(text: str, orders: OrdersTable | None) -> OrderId:
    """Return the id that an argument names. If the table is not known, it may be any text.

    Raises:
        click.BadParameter: the table cannot have such an id.
    """
    if orders is not None and has_texts(orders.id_type):
        try:
            return parse_id(text, orders.id_type)
        except ValueError:
            raise _refused(f"{text!r} is no text that PostgreSQL stores.") from None
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return UUID(text)
    except ValueError:
        if orders is None and text.isprintable():
            return text
        raise _refused(
            f"{text!r} is neither an integer nor a uuid: give the column id of orders,"
            " not the exchange's order id."
        ) from None


def _refused(why: str) -> click.BadParameter:
    context = click.get_current_context()
    arguments = (one for one in context.command.params if one.name in _ARGUMENTS)
    return click.BadParameter(why, ctx=context, param=next(arguments, None))
