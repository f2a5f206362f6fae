"""Deciding and writing without our store: for the ways of working that are compared with it.

They decide by the same rules and log the same details, so that only the way differs in which they
come by their rows. Written straight for psycopg: none of them is to be slower than it must.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import psycopg

from reconciler.domain.decide import Change, Confirm, Decision, decide
from reconciler.domain.order import Facts, Order
from reconciler.domain.report import Report
from reconciler.domain.status import Status
from reconciler.scope import UNSCOPED
from reconciler.store import activity
from reconciler.store.user_table import DEFAULT_TABLE
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.rows import EXCHANGE, SYNCED_AT
from scripts.benchmark.store.apply_step import POLICY

STALE = (
    f"{DEFAULT_TABLE.open_orders} AND {SYNCED_AT} < now() - interval '5 minutes'"
    " AND (EXISTS (SELECT FROM reconciliation_holds AS h WHERE h.order_id = orders.id::text"
    " AND h.resolved_at IS NULL AND h.next_attempt_at > now())) IS NOT TRUE"
)
COLUMNS = (
    "id, symbol, external_order_id, status, executed_qty, avg_price, created_at, updated_at,"
    " clock_timestamp()"
)
_SEPARATOR = "\x1e"
_WRITE = (
    "WITH confirmed AS (UPDATE orders SET last_synced_at = now() WHERE id = ANY(%s::bigint[])),"
    " given AS (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::numeric[], %s::numeric[],"
    " string_to_array(%s, E'\\x1e')) AS g (id, status, executed_qty, avg_price, details)),"
    " changed AS (UPDATE orders SET status = given.status, executed_qty = given.executed_qty,"
    " avg_price = given.avg_price, last_synced_at = now(), updated_at = now()"
    " FROM given WHERE orders.id = given.id RETURNING orders.id)"
    " INSERT INTO activity_log (order_id, action, details, created_at)"
    " SELECT given.id::text, 'reconciliation.update', given.details::jsonb, now()"
    " FROM given JOIN changed USING (id)"
)


def connect(url: str) -> psycopg.Connection[Any]:
    """Open a connection; every statement is a transaction of its own unless a block makes one."""
    return psycopg.connect(url, autocommit=True, application_name="reconciler bench")


def write_decisions(
    connection: psycopg.Connection[Any],
    rows: Sequence[Sequence[Any]],
    answers: Mapping[int, Report],
) -> None:
    """Decide on rows that have just been read as `COLUMNS`; write them, and the log of changes.

    The caller has made sure that no other session writes them meanwhile.
    """
    confirmed: list[int] = []
    changes: list[tuple[int, Facts, bytes]] = []
    for row in rows:
        report = answers[row[0]]
        order, decision = _decided(row, report)
        match decision:
            case Confirm():
                confirmed.append(row[0])
            case Change(to=to):
                changes.append((row[0], to, _entry(order, decision, report)))
            case _:
                raise BenchFailed(f"order {row[0]} was neither confirmed nor changed")
    connection.execute(
        _WRITE,
        (
            confirmed,
            [id_ for id_, _, _ in changes],
            [to.status.value for _, to, _ in changes],
            [to.executed_qty for _, to, _ in changes],
            [to.avg_price for _, to, _ in changes],
            _SEPARATOR.join(details.decode() for _, _, details in changes),
        ),
    )


def _decided(row: Sequence[Any], report: Report) -> tuple[Order, Decision]:
    id_, symbol, external, status, executed_qty, avg_price, created_at, updated_at, now = row
    order = Order(
        id=id_,
        symbol=symbol,
        external_order_id=external,
        facts=Facts(status=Status(status), executed_qty=executed_qty, avg_price=avg_price),
        created_at=created_at,
        updated_at=updated_at,
    )
    return order, decide(order, report, now, POLICY)


def _entry(order: Order, change: Change, report: Report) -> bytes:
    return activity.details_json(
        before=order.facts,
        after=change.to,
        exchange=EXCHANGE,
        scope=UNSCOPED,
        rule=change.rule,
        report=report,
    )


def blind_change(id_: int, report: Report) -> tuple[str, Decimal, Decimal | None, int, str] | None:
    """Return what to change in an order that is taken to be as it was when it was queued.

    Status, quantity, price, id and details: the parameters of a queue's job. None if nothing is.
    """
    if report.status is Status.NEW:
        return None
    before = Facts(status=Status.NEW, executed_qty=Decimal(0), avg_price=None)
    after = Facts(
        status=Status.FILLED, executed_qty=report.executed_qty, avg_price=report.avg_price
    )
    details = activity.details_json(
        before=before,
        after=after,
        exchange=EXCHANGE,
        scope=UNSCOPED,
        rule="queued",
        report=report,
    )
    return after.status.value, after.executed_qty, after.avg_price, id_, details.decode()
