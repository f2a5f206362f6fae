"""One order's life, and why it is or is not being looked at now."""

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console.comparison import compare
from reconciler.console.context import console_of
from reconciler.console.order_life import executed_over_time, life_of
from reconciler.console.pages.page import Page
from reconciler.console.query import checked_text
from reconciler.domain.order import OrderId
from reconciler.explanation.answer import OrderSnapshot, answer, details, is_due
from reconciler.explanation.snapshot import take_snapshot
from reconciler.store.holds import read_holds_of_order
from reconciler.store.order_ids import has_texts
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.user_table import UserTable

MOST_EVENTS = 200
MOST_HOLDS = 100


def show_order(request: Request) -> Response:
    """Show an order by its id; without one, ask for it."""
    console = console_of(request)
    text = checked_text(request.query_params.get("id", ""), "id")
    if text is None:
        return console.render(request, "order_search.html", text="", problem=None)
    settings = console.settings
    with console.databases.reading() as connection:
        orders = read_orders_table(connection, UserTable(settings.orders))
        order_id = _parse_id(orders, text)
        if order_id is None:
            why = f"the ids of your table are of the type {orders.id_type_name}"
            return _not_found(request, text, why)
        snapshot = take_snapshot(connection, settings, orders, order_id)
        holds = read_holds_of_order(connection, settings.scope, str(order_id), limit=MOST_HOLDS)
    if not snapshot.is_known and not holds:
        return _not_found(request, text, "it is neither in orders nor in the activity log")
    life = life_of(snapshot.activity, holds)
    return console.render(
        request,
        "order.html",
        snapshot=snapshot,
        answer=answer(snapshot),
        is_due=is_due(snapshot),
        details=list(details(snapshot)),
        hold=snapshot.active_hold,
        compared=[] if snapshot.active_hold is None else compare(snapshot.active_hold),
        life=life[-MOST_EVENTS:],
        events=len(life),
        chart=_chart(snapshot),
    )


def _parse_id(orders: OrdersTable, text: str) -> OrderId | None:
    try:
        # Only a text may have blanks of its own at its ends.
        written = text if has_texts(orders.id_type) else text.strip()
        order_id: OrderId = orders.parse_id(written)
    except ValueError:
        return None
    return order_id


def _not_found(request: Request, text: str, why: str) -> Response:
    return console_of(request).render(
        request, "order_search.html", status_code=HTTPStatus.NOT_FOUND, text=text, problem=why
    )


def _chart(snapshot: OrderSnapshot) -> dict[str, Any] | None:
    """Return the data of the chart; None if a line would show nothing."""
    points = executed_over_time(snapshot.activity)
    if len({amount for _, amount in points}) < 2:  # noqa: PLR2004 - a line from one to another
        return None
    values = {"at": [at.timestamp() for at, _ in points], "executed": [n for _, n in points]}
    return {
        "values": msgspec.json.encode(values).decode(),
        "first": points[0],
        "last": points[-1],
    }


PAGE = Page(
    title="Order",
    path="/order",
    routes=(Route("/order", show_order, methods=["GET"]),),
)
