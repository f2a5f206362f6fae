"""Record every change of a row, with a trigger in the demo's database.

A row that is right at the end may have been wrong for a moment, and the application may have acted
on it. So each change is judged: none may go backwards, and none may end an order otherwise than it
ended at the exchange.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, text

from reconciler.demo import Demo
from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.paper.listing import ListedOrder

Key = tuple[str, str]
"""An order's symbol and its id at the exchange."""

_INSTALL = """
CREATE TABLE recorded_changes (
    number bigint GENERATED ALWAYS AS IDENTITY,
    writer text DEFAULT current_setting('application_name'),
    symbol text, external_order_id text,
    status text, executed_qty numeric, avg_price numeric,
    to_status text, to_executed_qty numeric, to_avg_price numeric
);
CREATE FUNCTION record_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO recorded_changes (
        symbol, external_order_id, status, executed_qty, avg_price,
        to_status, to_executed_qty, to_avg_price
    ) VALUES (
        NEW.symbol, NEW.external_order_id,
        OLD.status, OLD.executed_qty, OLD.avg_price,
        NEW.status, NEW.executed_qty, NEW.avg_price
    );
    RETURN NULL;
END $$;
CREATE TRIGGER record_change AFTER UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.status, OLD.executed_qty, OLD.avg_price)
        IS DISTINCT FROM (NEW.status, NEW.executed_qty, NEW.avg_price))
    EXECUTE FUNCTION record_change();
"""
_READ = text("SELECT * FROM recorded_changes ORDER BY number")


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedChange:
    """One change of one row; `writer` is the `application_name` of its session."""

    key: Key
    before: Facts
    after: Facts
    writer: str = ""


def start(connection: Connection) -> None:
    """Record the changes of `orders` from now on."""
    connection.exec_driver_sql(_INSTALL)


def read_changes(connection: Connection) -> list[RecordedChange]:
    """Read every change since `start`; those of one row in the order in which they were made."""
    return [
        RecordedChange(
            key=(row.symbol, row.external_order_id),
            before=Facts(
                status=Status(row.status), executed_qty=row.executed_qty, avg_price=row.avg_price
            ),
            after=Facts(
                status=Status(row.to_status),
                executed_qty=row.to_executed_qty,
                avg_price=row.to_avg_price,
            ),
            writer=row.writer,
        )
        for row in connection.execute(_READ)
    ]


def violations(changes: Iterable[RecordedChange], truth: Mapping[Key, Facts]) -> Iterator[str]:
    """Describe each change that must never have been made.

    `truth` has the exchange's facts of each order: if it has ended, they are its only end.
    """
    for change in changes:
        violation = _violation(change, truth.get(change.key))
        if violation is not None:
            before, after = _text_of(change.before), _text_of(change.after)
            yield f"{' '.join(change.key)} {violation}: {before} -> {after}"


def wrong_changes(demo: Demo) -> list[str]:
    """Describe each recorded change of the demo's rows that must never have been made."""
    with demo.database.autocommit() as connection:
        changes = read_changes(connection)
    return list(violations(changes, _truths(demo.exchange.orders())))


def _truths(orders: Iterable[ListedOrder]) -> dict[Key, Facts]:
    """Return the exchange's facts by order; leave out a status that no row can have."""
    return {
        (order.row_symbol, order.row_order_id): Facts(
            status=truth.status,
            executed_qty=Decimal(truth.executed_qty),
            avg_price=None if truth.avg_price is None else Decimal(truth.avg_price),
        )
        for order in orders
        if (truth := order.truth).status is not None
    }


def _violation(change: RecordedChange, truth: Facts | None) -> str | None:
    before, after = change.before, change.after
    if before.status.is_terminal and after.status is not before.status:
        return "was opened again or ended twice"
    if after.status.progress < before.status.progress:
        return "went back to an earlier status"
    if after.executed_qty < before.executed_qty:
        return "lost an executed quantity"
    if after.status.is_terminal and after != truth:
        return "got an end that the exchange never reported"
    return None


def _text_of(facts: Facts) -> str:
    return f"{facts.status.value} {facts.executed_qty} at {facts.avg_price}"
