"""What was changed lately across all orders: live, filtered, and as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from reconciler.console import change_rows
from reconciler.console.context import Console, console_of
from reconciler.console.pages.page import Page
from reconciler.console.query import Age, choice_of, read_place, text_of, write_place
from reconciler.domain.decide import Rule
from reconciler.domain.status import Status
from reconciler.store.activity_ids import parse_activity_id
from reconciler.store.changes import (
    RULES,
    ChangeFilter,
    ChangePage,
    ChangePosition,
    read_changes,
)

PAGE_ROWS = 50
CSV_PAGE_ROWS = 2000


@dataclass(frozen=True, kw_only=True)
class ChangeQuery:
    """What the address asks for. `since` is an age, so that the page can follow."""

    symbol: str | None
    status_before: str | None
    status: str | None
    rule: Rule | None
    since: Age | None

    @classmethod
    def of(cls, request: Request) -> "ChangeQuery":
        """Read it from the address.

        Raises:
            Refusal: a value cannot be.
        """
        return cls(
            symbol=text_of(request, "symbol"),
            status_before=text_of(request, "from"),
            status=text_of(request, "to"),
            rule=choice_of(Rule, text_of(request, "rule"), "rule"),
            since=choice_of(Age, text_of(request, "since"), "since"),
        )

    @property
    def filter(self) -> ChangeFilter:
        """The filter of the store."""
        return ChangeFilter(
            symbol=self.symbol,
            status_before=self.status_before,
            status=self.status,
            rule=self.rule,
            since=None if self.since is None else self.since.begin,
        )

    @property
    def fields(self) -> dict[str, object]:
        """The fields of the address."""
        return {
            "symbol": self.symbol,
            "from": self.status_before,
            "to": self.status,
            "rule": self.rule,
            "since": self.since,
        }


def show_changes(request: Request) -> Response:
    """Show a page of changes, the newest first."""
    console, query = console_of(request), ChangeQuery.of(request)
    scope = console.settings.scope
    with console.databases.reading() as connection:
        before = _position(request, connection)
        page = read_changes(connection, scope, query.filter, before=before, limit=PAGE_ROWS)
    return console.render(
        request,
        "changes.html",
        query=query,
        page=page,
        is_first=before is None,
        next_before=_place(page.next_before),
        rules=RULES,
        statuses=list(Status),
        ages=list(Age),
    )


def export(request: Request) -> Response:
    """Stream all changes that match as CSV, the newest first."""
    console, query = console_of(request), ChangeQuery.of(request)
    first = _read(console, query.filter, None, CSV_PAGE_ROWS)
    return StreamingResponse(
        _csv(console, query.filter, first),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="changes.csv"'},
    )


def _csv(console: Console, change_filter: ChangeFilter, page: ChangePage) -> Iterator[str]:
    yield change_rows.header()
    while True:
        yield change_rows.lines(page.changes)
        if page.next_before is None:
            return
        page = _read(console, change_filter, page.next_before, CSV_PAGE_ROWS)


def _read(
    console: Console, change_filter: ChangeFilter, before: ChangePosition | None, limit: int
) -> ChangePage:
    with console.databases.reading() as connection:
        return read_changes(
            connection, console.settings.scope, change_filter, before=before, limit=limit
        )


def _position(request: Request, connection: Connection) -> ChangePosition | None:
    place = read_place(request, "before", lambda text: parse_activity_id(connection, text))
    return None if place is None else ChangePosition(created_at=place[0], id=place[1])


def _place(position: ChangePosition | None) -> str | None:
    return None if position is None else write_place(position.created_at, position.id)


PAGE = Page(
    title="Changes",
    path="/changes",
    routes=(
        Route("/changes", show_changes, methods=["GET"]),
        Route("/changes.csv", export, methods=["GET"]),
    ),
)
