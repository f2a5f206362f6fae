"""The orders on hold: which they are, and what the row and the exchange say of each."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console.comparison import compare
from reconciler.console.context import console_of
from reconciler.console.hold_query import HoldQuery, filter_fields
from reconciler.console.pages import hold_decisions
from reconciler.console.pages.page import Page
from reconciler.console.query import Age, read_place, write_place
from reconciler.domain.decide import HoldReason
from reconciler.store.bulk_holds import HoldPlace, count_holds, read_holds_by_age
from reconciler.store.holds import HeldOrder
from reconciler.store.order_ids import parse_integer
from reconciler.store.orders_table import read_orders_table
from reconciler.store.shared_state import read_account
from reconciler.store.user_table import UserTable

PAGE_ROWS = 50


def show_holds(request: Request) -> Response:
    """Show a page of holds, the longest held first, and the number of those that match."""
    console, query = console_of(request), HoldQuery.of(request)
    settings, after = console.settings, _place(request)
    hold_filter = query.filter
    with console.databases.reading() as connection:
        orders = read_orders_table(connection, UserTable(settings.orders))
        page = read_holds_by_age(connection, orders, hold_filter, after=after, limit=PAGE_ROWS)
        # All that match may be on the page: then the table is not read a second time.
        is_whole = after is None and page.next_after is None
        count = page.count() if is_whole else count_holds(connection, orders, hold_filter)
        account = read_account(connection, settings.scope, settings.exchange_name)
    following = page.next_after
    return console.render(
        request,
        "holds.html",
        query=query,
        count=count,
        holds=[(hold, compare(hold)) for hold in page.holds],
        is_first=after is None,
        next_after=None
        if following is None
        else write_place(following.first_held_at, following.id),
        filter_fields=filter_fields(hold_filter),
        account=account,
        reasons=list(HoldReason),
        ages=list(Age),
        age_seconds=_age_seconds,
    )


def _place(request: Request) -> HoldPlace | None:
    place = read_place(request, "after", parse_integer)
    return None if place is None else HoldPlace(first_held_at=place[0], id=place[1])


def _age_seconds(hold: HeldOrder) -> float:
    return (datetime.now(UTC) - hold.first_held_at).total_seconds()


PAGE = Page(
    title="Holds",
    path="/holds",
    routes=(Route("/holds", show_holds, methods=["GET"]), *hold_decisions.ROUTES),
)
