"""Accept a hold: write what a person decided, with an audit entry, if the row has not changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Connection

from reconciler.domain.column_scale import RemainingScale, rounded
from reconciler.domain.contradiction import known_quantity
from reconciler.domain.decide import Change, Confirm, Decision, HoldReason, Leave, Rule
from reconciler.domain.order import Facts, Order, OrderId, describe_facts
from reconciler.domain.report import Answer, Report
from reconciler.domain.status import SOMETHING_EXECUTED, Status
from reconciler.errors import ReconcilerError, StoreRejected
from reconciler.store.activity import facts_from_json
from reconciler.store.database import Database
from reconciler.store.holds import HeldOrder, read_hold
from reconciler.store.locked_holds import lock_holds, why_no_hold
from reconciler.store.order_writer import OrderWriter
from reconciler.store.orders_table import OrdersTable
from reconciler.store.write_result import OrderOutcome


class NotAcceptable(ReconcilerError):
    """The hold cannot be accepted as asked. Nothing was written."""


NEEDS_STATUS = frozenset({HoldReason.NOT_FOUND, HoldReason.UNKNOWN_STATUS})
"""The exchange has reported no status that could be written: a person must name it.

The same goes for a hold for any other reason that has no report.
"""

NOTHING_TO_ACCEPT = frozenset({HoldReason.ERROR, HoldReason.CRASHED_WORKER})
"""There is nothing to accept: the order has to be tried again."""


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """The facts to be written, and a report that stands for the person's decision."""

    to: Facts
    report: Report


def needs_status(hold: HeldOrder) -> bool:
    """Return True if a person must name the status: the exchange has none that we know."""
    return hold.reason not in NOTHING_TO_ACCEPT and (
        hold.reason in NEEDS_STATUS or hold.report is None
    )


def decide_acceptance(
    hold: HeldOrder, status: Status | None, orders: OrdersTable, *, now: datetime
) -> Acceptance:
    """Decide what accepting a hold writes: the exchange's numbers as the columns keep them.

    `status` is named by the person if the exchange has none that we know.

    Raises:
        NotAcceptable: there is nothing to accept, `status` is missing or not allowed, or the order
            would be filled with nothing executed.
    """
    if hold.reason in NOTHING_TO_ACCEPT:
        raise NotAcceptable(
            f"order {hold.order_id} is on hold for {hold.reason.value}: there is no view of the"
            " exchange to accept; fix the cause, then run: reconciler holds dismiss"
        )
    if needs_status(hold) and status is None:
        raise NotAcceptable(
            f"order {hold.order_id} is on hold for {hold.reason.value}: the exchange has no status"
            " for it that we know; name the right one with --status"
        )
    if not needs_status(hold) and status is not None:
        raise NotAcceptable(
            f"order {hold.order_id} is on hold for {hold.reason.value}: the exchange's own view is"
            " written; leave --status out"
        )
    before = facts_from_json(hold.row_facts)
    reported = (
        before if hold.report is None else facts_from_json({**hold.report, "status": before.status})
    )
    ordered = _ordered(hold)
    if isinstance(orders.quantity_scale, RemainingScale) and ordered is None:
        raise NotAcceptable(
            f"order {hold.order_id} has no qty in base currency, so what remains of it is unknown;"
            " write the row yourself, then run: reconciler holds dismiss"
        )
    to = Facts(
        status=status or Status((hold.report or hold.row_facts)["status"]),
        executed_qty=rounded(reported.executed_qty, orders.quantity_scale, ordered),
        avg_price=(
            before.avg_price
            if reported.avg_price is None
            else rounded(reported.avg_price, orders.price_scale) or before.avg_price
        ),
    )
    if to.status is not before.status and orders.statuses.write(to.status) is None:
        raise NotAcceptable(
            f"order {hold.order_id} would be {to.status.value}, and the table has no word for that:"
            " say which one to write in [orders.statuses.write] of reconciler.toml"
        )
    if to.status in SOMETHING_EXECUTED and to.executed_qty <= 0:
        raise NotAcceptable(
            f"order {hold.order_id} would be {to.status.value} with nothing executed;"
            " write status, executed_qty and avg_price into the row yourself, then run:"
            " reconciler holds dismiss"
        )
    return Acceptance(to=to, report=_report(hold, to, now))


def _ordered(hold: HeldOrder) -> Decimal | None:
    """Return the row's `qty`; None if what remains of it cannot be computed from it."""
    if hold.report is not None and hold.report.get("is_quote_sized"):
        return None
    qty = hold.row_facts.get("qty")
    return None if qty is None else known_quantity(Decimal(qty))


Acceptances = Mapping[OrderId, tuple[HeldOrder, Acceptance]]
"""The holds that are accepted, by order, each with what is written for it."""


class AcceptanceWriter:
    """Writes acceptances in one person's name, each with its own audit entry."""

    def __init__(self, orders: OrdersTable, *, exchange: str, by: str) -> None:
        self.scope = orders.scope
        self._acceptances: Acceptances = {}
        self._writer = OrderWriter(orders, exchange=exchange, decide=self._decide, by=by)

    def accept(
        self, connection: Connection, acceptances: Acceptances
    ) -> Mapping[OrderId, str | None]:
        """Write acceptances, log them, end the holds. `connection` is in a transaction.

        Returns:
            For each order why nothing was written (its row has changed since it was held, or is
            locked), or None if it was written.

        Raises:
            StoreRejected: the database refuses a row. Roll back.
        """
        self._acceptances = acceptances
        result = self._writer.apply(
            connection, {id_: acceptance.report for id_, (_, acceptance) in acceptances.items()}
        )
        locked = {
            id_: f"order {id_} is locked by another session, or is no longer in orders: try again"
            for id_ in result.skipped
        }
        return locked | {outcome.order.id: _why_not(outcome) for outcome in result.outcomes}

    def _decide(self, order: Order, _answer: Answer | None, _now: datetime) -> Decision:
        hold, acceptance = self._acceptances[order.id]
        before = facts_from_json(hold.row_facts)
        is_other = not hold.is_of(order.row_symbol, order.external_order_id)
        if is_other or not order.facts.is_same(before):
            return Leave(rule=Rule.STALE_REPORT)
        if acceptance.to == before:
            return Confirm()
        return Change(to=acceptance.to, rule=Rule.ACCEPTED)


def accept(
    connection: Connection,
    orders: OrdersTable,
    hold: HeldOrder,
    order_id: OrderId,
    acceptance: Acceptance,
    *,
    exchange: str,
    by: str,
) -> None:
    """Write one acceptance, log it, end the hold. `connection` is in a transaction.

    Raises:
        NotAcceptable: the row has changed since it was held, or is locked. Roll back.
        StoreRejected: the database refuses the row. Roll back.
    """
    acceptor = AcceptanceWriter(orders, exchange=exchange, by=by)
    why_not = acceptor.accept(connection, {order_id: (hold, acceptance)})[order_id]
    if why_not is not None:
        raise NotAcceptable(why_not)


def accept_all(
    database: Database, acceptor: AcceptanceWriter, acceptances: Acceptances
) -> dict[OrderId, str | None]:
    """Write acceptances in one transaction; if the database refuses a row, in smaller ones.

    Returns:
        As `AcceptanceWriter.accept`; a row that the database refuses has its reason, too.
    """
    if not acceptances:
        return {}
    try:
        with database.transaction() as connection:
            return _accept_unchanged(connection, acceptor, acceptances)
    except StoreRejected as error:
        if len(acceptances) == 1:
            (id_,) = acceptances
            return {id_: f"order {id_}: the database refuses it: {error}"}
    entries = list(acceptances.items())
    middle = len(entries) // 2
    return {
        id_: why
        for half in (entries[:middle], entries[middle:])
        for id_, why in accept_all(database, acceptor, dict(half)).items()
    }


def _accept_unchanged(
    connection: Connection, acceptor: AcceptanceWriter, acceptances: Acceptances
) -> dict[OrderId, str | None]:
    """Write the acceptances whose holds are still as they were read."""
    names = [hold.order_id for hold, _ in acceptances.values()]
    locked = lock_holds(connection, acceptor.scope, names)
    unchanged: dict[OrderId, tuple[HeldOrder, Acceptance]] = {}
    refused: dict[OrderId, str | None] = {}
    for id_, (hold, acceptance) in acceptances.items():
        if locked.get(hold.order_id) == hold:
            unchanged[id_] = (hold, acceptance)
        elif hold.order_id in locked:
            refused[id_] = f"the hold of order {id_} has changed meanwhile: look at it again"
        else:
            last = read_hold(connection, acceptor.scope, hold.order_id)
            refused[id_] = str(why_no_hold(last, id_))
    return refused | dict(acceptor.accept(connection, unchanged) if unchanged else {})


def _why_not(outcome: OrderOutcome) -> str | None:
    order = outcome.order
    match outcome.decision:
        case Leave(rule=Rule.NOT_OURS):
            return (
                f"order {order.id} has moved since it was held: it has a status of the"
                " application's own now, which is left alone; see it with: reconciler audit"
            )
        case Leave():
            return (
                f"order {order.id} has moved since it was held: it is now"
                f" {describe_facts(order.facts)}, {order.symbol} {order.external_order_id};"
                " look again with: reconciler holds show, or let it be tried again with:"
                " reconciler holds dismiss"
            )
        case _:
            return None


def _report(hold: HeldOrder, to: Facts, now: datetime) -> Report:
    report = hold.report or {}
    return Report(
        symbol=str(report.get("symbol", "")),
        external_order_id=str(report.get("external_order_id", "")),
        word=str(report.get("word", hold.reason.value)),
        status=to.status,
        executed_qty=to.executed_qty,
        avg_price=to.avg_price,
        fetched_at=now.astimezone(UTC),
    )
