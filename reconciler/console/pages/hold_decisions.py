"""Accept or dismiss holds: first what exactly would be done, then the decision, then its result.

A decision counts only for what the person has seen: for each named order its hold must be the same,
and for all that match a filter there must be as many for the same reasons. Otherwise nothing is
done, and the page says what has changed.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.console.context import Console, console_of, field_of, form_of
from reconciler.console.decisions import Act, Decision, Progress
from reconciler.console.error_pages import Refusal
from reconciler.console.hold_preview import (
    HoldPreview,
    preview_acceptance,
    preview_dismissal,
    what_happens_to,
)
from reconciler.console.hold_query import (
    count_fields,
    filter_fields,
    is_as_confirmed,
    last_id_of,
    named_orders,
    read_filter,
    unreadable,
)
from reconciler.console.query import choice_of, number_of
from reconciler.domain.order import OrderId
from reconciler.domain.status import TERMINAL, Status
from reconciler.store.bulk_holds import HoldCount, HoldFilter, count_holds
from reconciler.store.database import Database
from reconciler.store.hold_acceptance import needs_status
from reconciler.store.hold_decisions import (
    AcceptHolds,
    DecisionResult,
    DismissHolds,
    HoldDecision,
)
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.user_table import UserTable

MOST_NAMED = 100


class Verb(StrEnum):
    """What is decided; `_ALL` for all holds that match a filter."""

    ACCEPT = "accept"
    DISMISS = "dismiss"
    ACCEPT_ALL = "accept-all"
    DISMISS_ALL = "dismiss-all"

    @property
    def is_acceptance(self) -> bool:
        """True if rows would be written."""
        return self in {Verb.ACCEPT, Verb.ACCEPT_ALL}

    @property
    def is_for_all(self) -> bool:
        """True if a filter says which holds."""
        return self in {Verb.ACCEPT_ALL, Verb.DISMISS_ALL}


def confirm(request: Request) -> Response:
    """Show what exactly would be done, and ask. Writes nothing."""
    if _verb(request).is_for_all:
        hold_filter = read_filter(request)
        return _ask_for_all(request, hold_filter, _count(request, hold_filter))
    return _ask_for_named(request)


def decide(request: Request) -> Response:
    """Decide what was confirmed, if it is still so."""
    console, verb = console_of(request), _verb(request)
    decision = _decide_all(request) if verb.is_for_all else _decide_named(request)
    if decision is None:
        hold_filter = read_filter(request)
        count = _count(request, hold_filter)
        return _ask_for_all(request, hold_filter, count, has_changed=True)
    return console.redirect(f"/holds/decision?number={decision.number}")


def back_to_holds(request: Request) -> Response:
    """Go to the holds: a page that answered a form cannot be asked for again."""
    return console_of(request).redirect("/holds")


def show_decision(request: Request) -> Response:
    """Show how far a decision is, and its result."""
    console = console_of(request)
    decision = console.decisions.find(number_of(request.query_params.get("number", "")))
    if decision is None:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            "The console does not know this decision any more.",
            "What was decided is in the audit trail: see the changes, and reconciler holds list.",
        )
    is_running = decision.is_running  # Asked first: once it has ended, its result is the last one.
    return console.render(
        request,
        "hold_decision.html",
        decision=decision,
        is_running=is_running,
        result=decision.result,
    )


ROUTES: Sequence[Route] = (
    Route("/holds/confirm", confirm, methods=["POST"]),
    Route("/holds/confirm", back_to_holds, methods=["GET"]),
    Route("/holds/decide", decide, methods=["POST"]),
    Route("/holds/decide", back_to_holds, methods=["GET"]),
    Route("/holds/decision", show_decision, methods=["GET"]),
)


def _ask_for_all(
    request: Request, hold_filter: HoldFilter, count: HoldCount, *, has_changed: bool = False
) -> Response:
    verb, status = _verb(request), _status(request)
    return console_of(request).render(
        request,
        "confirm_all_holds.html",
        verb=verb,
        status=status,
        statuses=sorted(TERMINAL),
        count=count,
        outcomes=[
            (number, reason, what_happens_to(reason, is_accepted=verb.is_acceptance, status=status))
            for reason, number in count.by_reason.items()
        ],
        hold_filter=hold_filter,
        fields={**filter_fields(hold_filter), **count_fields(count)},
        has_changed=has_changed,
    )


def _ask_for_named(request: Request) -> Response:
    console, verb, status = console_of(request), _verb(request), _status(request)
    previews = _previews(request, named_orders(request)[:MOST_NAMED])
    can_do = [preview for preview in previews if preview.why_not is None]
    return console.render(
        request,
        "confirm_holds.html",
        verb=verb,
        status=status,
        statuses=sorted(TERMINAL),
        previews=previews,
        can_do=can_do,
        asks_status=verb.is_acceptance
        and any(preview.hold is not None and needs_status(preview.hold) for preview in previews),
    )


def _previews(request: Request, order_ids: Sequence[str]) -> Sequence[HoldPreview]:
    console, verb, status = console_of(request), _verb(request), _status(request)
    with console.databases.reading() as connection:
        orders = read_orders_table(connection, UserTable(console.settings.orders))
        return [
            preview_acceptance(connection, orders, order_id, status)
            if verb.is_acceptance
            else preview_dismissal(connection, orders, order_id)
            for order_id in order_ids
        ]


def _decide_all(request: Request) -> Decision | None:
    """Begin the decision; None if there are not the holds any more that were confirmed."""
    console, hold_filter = console_of(request), read_filter(request)
    count = _count(request, hold_filter, last_id=last_id_of(request))
    if not is_as_confirmed(request, count):
        return None
    verb, status = _verb(request), _status(request)

    def act(on_progress: Progress) -> DecisionResult:
        with console.databases.writing() as database:
            decision = _decision(console, database, verb, status)
            return decision.decide_counted(hold_filter, count, on_progress)

    return _start(console, verb, count.total, act)


def _decide_named(request: Request) -> Decision:
    console, verb, status = console_of(request), _verb(request), _status(request)
    texts, shown = named_orders(request), form_of(request).get("shown", ())
    if len(texts) != len(shown):
        raise unreadable("it does not say of each order which hold was shown")
    if len(texts) > MOST_NAMED:
        raise unreadable(f"it has more than {MOST_NAMED} orders")
    of_status = {
        preview.order_id
        for preview in _previews(request, texts)
        if preview.hold is not None and needs_status(preview.hold)
    }
    with console.databases.reading() as connection:
        orders = read_orders_table(connection, UserTable(console.settings.orders))
    fingerprints = _by_id(orders, dict(zip(texts, shown, strict=True)))

    def act(on_progress: Progress) -> DecisionResult:
        total = DecisionResult(
            verb=_participle(verb), by=console.operator, matched=len(fingerprints)
        )
        with console.databases.writing() as database:
            for is_named in (False, True):
                ids = [id_ for id_ in fingerprints if (str(id_) in of_status) is is_named]
                decision = _decision(console, database, verb, status if is_named else None)
                result = decision.decide_each(ids, shown=fingerprints)
                total.done += result.done
                total.refused += result.refused
                total.refusals += result.refusals
                on_progress(total)
        return total

    return _start(console, verb, len(fingerprints), act)


def _by_id(orders: OrdersTable, shown: Mapping[str, str]) -> Mapping[OrderId, str]:
    ids: dict[OrderId, str] = {}
    for text, fingerprint in shown.items():
        with suppress(ValueError):  # The table has no ids of this kind.
            ids[orders.parse_id(text)] = fingerprint
    return ids


def _start(console: Console, verb: Verb, matched: int, act: Act) -> Decision:
    return console.decisions.start(
        verb=_participle(verb), by=console.operator, matched=matched, act=act
    )


def _decision(
    console: Console, database: Database, verb: Verb, status: Status | None
) -> HoldDecision:
    settings = console.settings
    table = UserTable(settings.orders)
    if not verb.is_acceptance:
        return DismissHolds(
            database=database, table=table, scope=settings.scope, by=console.operator
        )
    return AcceptHolds(
        database=database,
        table=table,
        scope=settings.scope,
        by=console.operator,
        exchange=settings.exchange_name,
        status=status,
    )


def _participle(verb: Verb) -> str:
    return AcceptHolds.verb if verb.is_acceptance else DismissHolds.verb


def _count(request: Request, hold_filter: HoldFilter, last_id: int | None = None) -> HoldCount:
    console = console_of(request)
    with console.databases.reading() as connection:
        orders = read_orders_table(connection, UserTable(console.settings.orders))
        return count_holds(connection, orders, hold_filter, last_id=last_id)


def _verb(request: Request) -> Verb:
    verb = choice_of(Verb, field_of(request, "decision"), "decision")
    if verb is None:
        raise unreadable("it has no decision")
    return verb


def _status(request: Request) -> Status | None:
    status = choice_of(Status, field_of(request, "status"), "status")
    if status is not None and not status.is_terminal:
        raise unreadable(f"{status} is no status of an order that has ended")
    return status
