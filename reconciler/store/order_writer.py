"""Make rows true: the only module that writes `orders`.

One short transaction a batch, four round trips: begin, lock, write, commit.

1.  The rows are locked by id with `FOR UPDATE SKIP LOCKED`: a row that somebody else holds is
    skipped, so neither the application nor another worker is ever waited for. A transaction that
    has just inserted a fill that refers to the order holds it too; its turn comes in a moment.
2.  Each decision is taken here, under the lock, on the row as it is now. Whatever happened between
    the question and this moment is seen.
    The same statement looks whether the halt is on: then it locks nothing, and nothing is written.
    So no transaction that begins after a halt was committed writes, on whatever host.
3.  One statement writes the orders, the log, and the holds. Its counts are compared with what was
    decided; a difference (a trigger, a row-level policy) undoes the whole batch.

Between the two a process can be stopped or lose its network without being dead. Then PostgreSQL
itself ends the transaction, and the application has its rows back, after LONGEST_PAUSE.

If the process dies before the commit nothing was written; after it everything was. If the answer to
the commit is lost, the batch is simply asked for again: deciding twice changes nothing twice.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    CTE,
    Connection,
    DateTime,
    Interval,
    Numeric,
    Select,
    String,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from reconciler.domain.decide import (
    Change,
    Confirm,
    Decision,
    Hold,
    HoldReason,
    Leave,
    Rule,
)
from reconciler.domain.order import SIDES, Facts, Order, OrderId, Side
from reconciler.domain.report import Answer, OrderFault
from reconciler.domain.status import BY_VALUE, Status
from reconciler.domain.value import Value, replace
from reconciler.errors import StoreRejected
from reconciler.store import activity, shared_state
from reconciler.store.holds import ActiveHold, attempts_in_a_row, is_named_by, wait_before_attempt
from reconciler.store.prepared_statement import PreparedStatement
from reconciler.store.tables import OrdersTable, activity_log, holds

# Sent as one text and cut apart by PostgreSQL: as an array of texts, every quote of the JSON would
# be escaped on the way, which took a fifth of the whole step. JSON never holds a raw control byte.
_SEPARATOR = b"\x1e"

IDLE_TRANSACTION_TIMEOUT = timedelta(seconds=10)

Decide = Callable[[Order, Answer | None, datetime], Decision]


class OrderOutcome(Value):
    """What was decided, and done, about one order. `hold` is the one it was under before."""

    order: Order
    hold: ActiveHold | None
    decision: Decision


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchResult:
    """What became of a batch: every order is in `outcomes` or in `skipped`.

    `skipped` could not be locked: somebody else holds them, or they are gone. `now` is the
    database's clock during the transaction.
    """

    outcomes: tuple[OrderOutcome, ...]
    skipped: tuple[OrderId, ...]
    now: datetime | None


class WriteMismatch(StoreRejected):
    """The database changed other rows than were decided on. Nothing was committed."""


class OrderWriter:
    """The apply step for one shape of `orders` and one exchange."""

    def __init__(
        self, orders: OrdersTable, *, exchange: str, decide: Decide, by: str | None = None
    ) -> None:
        """Prepare the statements.

        Args:
            orders: The table's shape.
            exchange: Its name, for the log.
            decide: Must be pure: it runs inside the transaction.
            by: The person who decides, where it is one; logged with every change.
        """
        self._orders = orders
        self._exchange = exchange
        self._decide = decide
        rows = _select_rows(orders)
        self._read = PreparedStatement(rows)
        lock = _lock_rows(rows, orders)
        self._lock = PreparedStatement(lock if by else lock.where(~shared_state.is_halted()))
        self._by = by
        self._writes: dict[frozenset[str], PreparedStatement] = {}

    def apply(
        self,
        connection: Connection,
        answers: Mapping[OrderId, Answer],
        seen: Mapping[OrderId, Facts] | None = None,
    ) -> BatchResult:
        """Lock, decide, write. `connection` is in a transaction that the caller commits.

        Args:
            connection: An open transaction.
            answers: What the exchange said about each order of the batch.
            seen: The rows' facts before the exchange was asked. One that differs now was written
                meanwhile: the answer may be older. It is how a table without `updated_at` tells.

        Raises:
            Halted: the halt is on, and no person decides.
            StoreRejected: the database refused a row (WriteMismatch: wrote other rows than were
                decided on). Roll back: nothing of the batch may stay.
        """
        rows = _rows(self._lock.run(connection, {"ids": _array(map(str, answers))}))
        if not rows and self._by is None:
            shared_state.require_no_halt(connection)
        applied = self._decide_rows(rows, answers, seen)
        self._write_outcomes(connection, applied.outcomes, answers)
        return applied

    def preview(
        self,
        connection: Connection,
        answers: Mapping[OrderId, Answer],
        seen: Mapping[OrderId, Facts] | None = None,
    ) -> BatchResult:
        """Decide as `apply` would, on the rows as they are, locking and writing nothing."""
        rows = _rows(self._read.run(connection, {"ids": _array(map(str, answers))}))
        return self._decide_rows(rows, answers, seen)

    def hold(
        self,
        connection: Connection,
        questions: Mapping[OrderId, OrderFault],
        *,
        reason: HoldReason = HoldReason.ERROR,
    ) -> frozenset[OrderId]:
        """Put orders on hold, also where another session has the row locked.

        The row is neither locked nor touched. Returns the orders that are on hold now: those that
        are still open.

        Raises:
            Halted: the halt is on.
        """
        shared_state.require_no_halt(connection)
        rows = _rows(self._read.run(connection, {"ids": _array(map(str, questions))}))
        outcomes = tuple(
            OrderOutcome(
                order=_order(row, facts, _hold(row)),
                hold=_hold(row),
                decision=Hold(reason=reason, detail=questions[row.id].detail),
            )
            for row in rows
            if (facts := _facts(row)) is not None and not facts.status.is_terminal
        )
        self._write_outcomes(connection, outcomes, questions)
        return frozenset(outcome.order.id for outcome in outcomes)

    def _decide_rows(
        self,
        rows: Sequence["_Row"],
        answers: Mapping[OrderId, Answer],
        seen: Mapping[OrderId, Facts] | None,
    ) -> BatchResult:
        found = {row.id: row for row in rows}
        outcomes = [self._decide_row(row, answers[row.id], seen or {}) for row in found.values()]
        if len(found) < len(rows):
            counts = Counter(row.id for row in rows)
            outcomes = [_held_if_twice(outcome, counts[outcome.order.id]) for outcome in outcomes]
        return BatchResult(
            outcomes=tuple(outcomes),
            skipped=tuple(id_ for id_ in answers if id_ not in found),
            now=rows[0].database_now if rows else None,
        )

    def _decide_row(
        self, row: "_Row", answer: Answer, seen: Mapping[OrderId, Facts]
    ) -> OrderOutcome:
        facts = _facts(row)
        hold = _hold(row)
        order = _order(row, facts or _UNKNOWN_FACTS, hold)
        if facts is None:
            decision: Decision = Leave(rule=Rule.NOT_OURS)
        elif row.id in seen and not seen[row.id].is_same(facts):
            decision = Leave(rule=Rule.STALE_REPORT)
        else:
            decision = self._decide(order, answer, row.database_now)
        return OrderOutcome(order=order, hold=hold, decision=decision)

    def _write_outcomes(
        self,
        connection: Connection,
        outcomes: Sequence[OrderOutcome],
        answers: Mapping[OrderId, Answer],
    ) -> None:
        batch = _Batch.of(outcomes, answers, exchange=self._exchange, by=self._by)
        expected = batch.counts
        if not expected:
            return
        (counted,) = self._statement(batch).run(connection, batch.parameters())
        written = dict(zip(expected, counted, strict=True))
        if written != expected:
            raise WriteMismatch(
                f"the database wrote {_describe(written)} rows instead of {_describe(expected)}, so"
                " nothing was committed: look for a trigger or a row-level policy on orders or"
                " activity_log"
            )

    def _statement(self, batch: "_Batch") -> PreparedStatement:
        """Return the statement that writes just what there is: what is empty costs time, too."""
        parts = frozenset(batch.counts) | ({_RELEASED} if batch.released else set())
        if parts not in self._writes:
            resolution = "reconciled" if self._by is None else f"accepted by {self._by}"
            self._writes[parts] = PreparedStatement(
                _write_statement(self._orders, parts, resolution)
            )
        return self._writes[parts]


def _describe(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {part}" for part, count in counts.items())


def _held_if_twice(outcome: OrderOutcome, rows: int) -> OrderOutcome:
    """Hold an order whose id several rows have: a write would change them all."""
    if rows == 1:
        return outcome
    detail = f"{rows} rows of orders have this id: none of them can be written without the others"
    return replace(outcome, decision=Hold(reason=HoldReason.CONFLICT, detail=detail))


class _Row(NamedTuple):
    """What `_select_rows` selects, in its order."""

    id: OrderId
    symbol: str | None
    external_order_id: str | None
    status: str
    executed_qty: Decimal | None
    avg_price: Decimal | None
    created_at: datetime | None
    updated_at: datetime | None
    hold_reason: str | None
    hold_attempts: int | None
    hold_symbol: str | None
    hold_external_order_id: str | None
    database_now: datetime
    qty: str | None
    side: str | None
    client_order_id: str | None


def _rows(rows: Sequence[tuple[Any, ...]]) -> list[_Row]:
    return [_Row._make(values) for values in rows]


_NOTHING = Decimal(0)
_UNKNOWN_FACTS = Facts(status=Status.PENDING, executed_qty=_NOTHING, avg_price=None)


def _facts(row: _Row) -> Facts | None:
    """Return the row's facts; None where the application moved it to a status of its own."""
    status = BY_VALUE.get(row.status)
    if status is None:
        return None
    return Facts(
        status=status,
        executed_qty=row.executed_qty or _NOTHING,
        avg_price=row.avg_price,
    )


def _hold(row: _Row) -> ActiveHold | None:
    if row.hold_reason is None or row.hold_attempts is None:
        return None
    is_of_row = is_named_by(
        (row.hold_symbol, row.hold_external_order_id), (row.symbol or "", row.external_order_id)
    )
    return ActiveHold(
        reason=HoldReason(row.hold_reason),
        attempts=row.hold_attempts if is_of_row else 0,
    )


def _order(row: _Row, facts: Facts, hold: ActiveHold | None) -> Order:
    return Order(
        id=row.id,
        symbol=row.symbol or "",
        external_order_id=row.external_order_id or "",
        facts=facts,
        created_at=row.created_at,
        updated_at=row.updated_at,
        absences=attempts_in_a_row(hold, HoldReason.NOT_FOUND),
        qty=None if row.qty is None else Decimal(row.qty),
        side=side_of(row.side),
        client_order_id=row.client_order_id,
    )


def side_of(word: str | None) -> Side | None:
    """Return the side that an application's word means, in whatever case; None for any other."""
    return None if word is None else SIDES.get(word.lower())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Batch:
    """The decisions of a batch, sorted by what is written for each."""

    changed: list[tuple[OrderId, Facts, bytes, datetime]]
    confirmed: list[tuple[OrderId, datetime]]
    held: list[tuple[Order, Hold, timedelta, Answer]]
    released: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """How many rows each part of the write statement is to write; without the empty ones."""
        counts = {
            _CHANGED: len(self.changed),
            _LOGGED: len(self.changed),
            _CONFIRMED: len(self.confirmed),
            _HELD: len(self.held),
        }
        return {part: count for part, count in counts.items() if count}

    @classmethod
    def of(
        cls,
        outcomes: Sequence[OrderOutcome],
        answers: Mapping[OrderId, Answer],
        *,
        exchange: str,
        by: str | None,
    ) -> "_Batch":
        batch = cls(changed=[], confirmed=[], held=[], released=[])
        for outcome in outcomes:
            batch._add(outcome, answers[outcome.order.id], exchange=exchange, by=by)
        return batch

    def _add(self, outcome: OrderOutcome, answer: Answer, *, exchange: str, by: str | None) -> None:
        order = outcome.order
        match outcome.decision:
            case Change(to=to, rule=rule):
                entry = activity.details(
                    before=order.facts,
                    after=to,
                    exchange=exchange,
                    rule=rule,
                    report=answer,
                    created_at=order.created_at if rule is Rule.ARCHIVED else None,
                    by=by,
                )
                self.changed.append((order.id, to, entry, answer.fetched_at))
                self._release(outcome)
            case Confirm():
                self.confirmed.append((order.id, answer.fetched_at))
                self._release(outcome)
            case Hold(reason=reason) as hold:
                attempts = 1 + attempts_in_a_row(outcome.hold, reason)
                self.held.append((order, hold, wait_before_attempt(attempts), answer))
            case Leave():
                pass

    def _release(self, outcome: OrderOutcome) -> None:
        if outcome.hold is not None:
            self.released.append(str(outcome.order.id))

    def parameters(self) -> dict[str, object]:
        """Return the arrays that the write statement unnests."""
        return {
            "changed_ids": _array(str(id_) for id_, _, _, _ in self.changed),
            "statuses": _array(to.status for _, to, _, _ in self.changed),
            "quantities": _array(str(to.executed_qty) for _, to, _, _ in self.changed),
            "prices": _array(_price(to.avg_price) for _, to, _, _ in self.changed),
            "details": _SEPARATOR.join(entry for _, _, entry, _ in self.changed).decode(),
            "changed_as_of": _array(_moment(asked_at) for _, _, _, asked_at in self.changed),
            "confirmed_ids": _array(str(id_) for id_, _ in self.confirmed),
            "confirmed_as_of": _array(_moment(asked_at) for _, asked_at in self.confirmed),
            "held_ids": [str(order.id) for order, _, _, _ in self.held],
            "held_symbols": [order.symbol for order, _, _, _ in self.held],
            "held_external_ids": [order.external_order_id for order, _, _, _ in self.held],
            "reasons": [hold.reason.value for _, hold, _, _ in self.held],
            "hold_details": [hold.detail for _, hold, _, _ in self.held],
            "waits": [wait for _, _, wait, _ in self.held],
            "held_facts": _SEPARATOR.join(
                activity.order_json(order) for order, _, _, _ in self.held
            ).decode(),
            "held_reports": _SEPARATOR.join(
                activity.report_json(answer) for _, _, _, answer in self.held
            ).decode(),
            "released_ids": self.released,
        }


def _array(texts: Iterable[str]) -> str:
    """Return PostgreSQL's text for an array of texts that need no quotes.

    Given a list, the driver would look into every value for its type, and dump each by itself.
    """
    return "{" + ",".join(texts) + "}"


@lru_cache(maxsize=256)
def _moment(moment: datetime) -> str:
    """Return a time as an array has it; the rows of one page were all asked for at one time."""
    return f'"{moment.isoformat()}"'


def _price(price: Decimal | None) -> str:
    return "NULL" if price is None else str(price)


def _select_rows(orders: OrdersTable) -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(orders.c.id.type))
    # Picked out first, by the batch's ids: joined as a whole table, holds that have grown since
    # their last ANALYZE would be read once for every order.
    held = (
        select(
            holds.c.order_id,
            holds.c.reason,
            holds.c.attempts,
            holds.c.symbol,
            holds.c.external_order_id,
        )
        .where(
            holds.c.order_id == func.any(cast(ids, ARRAY(Text()))),
            holds.c.resolved_at.is_(None),
        )
        .cte("held")
        .prefix_with("MATERIALIZED")
    )
    return (
        select(
            orders.c.id,
            cast(orders.c.symbol, Text).label("symbol"),
            cast(orders.c.external_order_id, Text).label("external_order_id"),
            orders.status,
            orders.c.executed_qty,
            orders.amount("avg_price"),
            orders.moment("created_at"),
            orders.moment("updated_at"),
            held.c.reason.label("hold_reason"),
            held.c.attempts.label("hold_attempts"),
            held.c.symbol.label("hold_symbol"),
            held.c.external_order_id.label("hold_external_order_id"),
            func.clock_timestamp().label("database_now"),
            orders.words("qty"),
            orders.words("side"),
            orders.words("client_order_id"),
        )
        .outerjoin(held, held.c.order_id == cast(orders.c.id, Text))
        .where(orders.c.id == func.any(ids))
    )


def _lock_rows(rows: Select[Any], orders: OrdersTable) -> Select[Any]:
    """Lock the rows that are read, for no longer than the session is heard of.

    The limit is set by the same statement: it costs no round trip and ends with the transaction.
    """
    milliseconds = str(IDLE_TRANSACTION_TIMEOUT // timedelta(milliseconds=1))
    limit = (
        select(func.set_config("idle_in_transaction_session_timeout", milliseconds, true()))
        .cte("pause_limit")
        .prefix_with("MATERIALIZED")
    )
    return rows.join(limit, true()).with_for_update(skip_locked=True, of=orders.table)


_CHANGED, _LOGGED, _CONFIRMED, _HELD, _RELEASED = (
    "changed",
    "logged",
    "confirmed",
    "held",
    "released",
)


def _write_statement(orders: OrdersTable, parts: frozenset[str], resolution: str) -> Select[Any]:
    """Build the one statement that does these parts; it returns their counts, as `_Batch.counts`.

    What is released is not counted: somebody else may have ended that hold meanwhile.
    """
    written: dict[str, CTE] = {}
    if _CHANGED in parts:
        written[_CHANGED] = _change(orders)
        written[_LOGGED] = _log(written[_CHANGED])
    if _CONFIRMED in parts:
        written[_CONFIRMED] = _confirm(orders)
    if _HELD in parts:
        written[_HELD] = _hold_statement().returning(holds.c.id).cte(_HELD)
    counts = select(
        *(select(func.count()).select_from(part).scalar_subquery() for part in written.values())
    )
    return counts.add_cte(_release(resolution)) if _RELEASED in parts else counts


def _change(orders: OrdersTable) -> CTE:
    """Change the rows, and hand on what is to be logged of each."""
    changes = _unnest(
        "changes",
        id=("changed_ids", orders.c.id.type),
        status=("statuses", Text()),
        executed_qty=("quantities", Numeric()),
        avg_price=("prices", Numeric()),
        details=func.string_to_array(bindparam("details", type_=Text), _SEPARATOR.decode()),
        as_of=("changed_as_of", DateTime(timezone=True)),
    )
    touch = {"updated_at": func.now()} if "updated_at" in orders.optional else {}
    return (
        update(orders.table)
        .where(orders.c.id == changes.c.id)
        .values(
            status=cast(changes.c.status, orders.c.status.type),
            executed_qty=changes.c.executed_qty,
            avg_price=changes.c.avg_price,
            last_synced_at=_synced_at(orders, changes.c.as_of),
            **touch,
        )
        .returning(changes.c.id, changes.c.details)
        .cte(_CHANGED)
    )


def _log(changed: CTE) -> CTE:
    return (
        insert(activity_log)
        .from_select(
            ["order_id", "action", "details", "created_at"],
            select(
                cast(changed.c.id, Text),
                literal(activity.ACTION, String),
                cast(changed.c.details, JSONB),
                func.now(),
            ),
        )
        .returning(activity_log.c.id)
        .cte(_LOGGED)
    )


def _confirm(orders: OrdersTable) -> CTE:
    confirmations = _unnest(
        "confirmations",
        id=("confirmed_ids", orders.c.id.type),
        as_of=("confirmed_as_of", DateTime(timezone=True)),
    )
    return (
        update(orders.table)
        .where(orders.c.id == confirmations.c.id)
        .values(last_synced_at=_synced_at(orders, confirmations.c.as_of))
        .returning(orders.c.id)
        .cte(_CONFIRMED)
    )


def _synced_at(orders: OrdersTable, as_of: Any) -> Any:
    """Return when the row was synced: when its answer was asked for, however late it is written.

    An answer that overtook this one, written meanwhile, stays; a time still to come does not.
    """
    before = orders.c.last_synced_at
    asked_at = func.least(as_of, func.now())
    return case((before.between(asked_at, func.now()), before), else_=asked_at)


def _release(resolution: str) -> CTE:
    ids = bindparam("released_ids", type_=ARRAY(Text()))
    return (
        update(holds)
        .where(holds.c.order_id == func.any(ids), holds.c.resolved_at.is_(None))
        .values(resolved_at=func.now(), resolution=resolution)
        .cte(_RELEASED)
    )


def _hold_statement() -> Any:
    fresh = _unnest(
        "fresh",
        order_id=("held_ids", Text()),
        symbol=("held_symbols", Text()),
        external_order_id=("held_external_ids", Text()),
        reason=("reasons", Text()),
        detail=("hold_details", Text()),
        wait=("waits", Interval()),
        row_facts=func.string_to_array(bindparam("held_facts", type_=Text), _SEPARATOR.decode()),
        report=func.string_to_array(bindparam("held_reports", type_=Text), _SEPARATOR.decode()),
    )
    statement = insert(holds).from_select(
        [
            "order_id",
            "reason",
            "detail",
            "attempts",
            "first_held_at",
            "next_attempt_at",
            "row_facts",
            "report",
            "symbol",
            "external_order_id",
        ],
        select(
            fresh.c.order_id,
            fresh.c.reason,
            fresh.c.detail,
            literal(1),
            func.now(),
            func.now() + fresh.c.wait,
            cast(fresh.c.row_facts, JSONB),
            cast(fresh.c.report, JSONB),
            fresh.c.symbol,
            fresh.c.external_order_id,
        ),
    )
    again = statement.excluded
    # Another question than before is asked for the first time. Holds of former versions do not
    # know what they were for.
    is_same = and_(
        holds.c.reason == again.reason,
        func.coalesce(holds.c.symbol, again.symbol) == again.symbol,
        func.coalesce(holds.c.external_order_id, again.external_order_id)
        == again.external_order_id,
    )
    return statement.on_conflict_do_update(
        index_elements=[holds.c.order_id],
        index_where=holds.c.resolved_at.is_(None),
        set_={
            "reason": again.reason,
            "detail": again.detail,
            "attempts": case((is_same, holds.c.attempts + 1), else_=1),
            "next_attempt_at": again.next_attempt_at,
            "row_facts": again.row_facts,
            "report": again.report,
            "symbol": again.symbol,
            "external_order_id": again.external_order_id,
        },
    )


def _unnest(name: str, **columns: Any) -> Any:
    """Make a table of arrays: a column is (parameter, element type), or an expression."""
    arrays = [
        bindparam(column[0], type_=ARRAY(column[1])) if isinstance(column, tuple) else column
        for column in columns.values()
    ]
    return func.unnest(*arrays).table_valued(*columns, name=name).render_derived()
