"""A witness of every change of a row: a trigger in the demo's database that writes each down.

At the end an order's row may be right and may still have been wrong for a moment, on which somebody
has traded. So each move is judged: none goes backwards, and none ends an order otherwise than it
truly ended.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from reconciler.domain.order import Facts
from reconciler.domain.status import Status

Key = tuple[str, str]
"""An order's symbol and its id at the exchange."""

_INSTALL = """
CREATE TABLE witnessed_moves (
    number bigint GENERATED ALWAYS AS IDENTITY,
    writer text DEFAULT current_setting('application_name'),
    symbol text, external_order_id text,
    status text, executed_qty numeric, avg_price numeric,
    to_status text, to_executed_qty numeric, to_avg_price numeric
);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witnessed_moves (
        symbol, external_order_id, status, executed_qty, avg_price,
        to_status, to_executed_qty, to_avg_price
    ) VALUES (
        NEW.symbol, NEW.external_order_id,
        OLD.status, OLD.executed_qty, OLD.avg_price,
        NEW.status, NEW.executed_qty, NEW.avg_price
    );
    RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON orders FOR EACH ROW
    WHEN ((OLD.status, OLD.executed_qty, OLD.avg_price)
        IS DISTINCT FROM (NEW.status, NEW.executed_qty, NEW.avg_price))
    EXECUTE FUNCTION witness();
"""
_READ = text("SELECT * FROM witnessed_moves ORDER BY number")


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One change of one row; `writer` is the `application_name` of who made it."""

    key: Key
    before: Facts
    after: Facts
    writer: str = ""


def install(connection: Connection) -> None:
    """Watch `orders` from now on."""
    connection.exec_driver_sql(_INSTALL)


def read_moves(connection: Connection) -> list[Move]:
    """Read every move since `install`; those of one row in the order in which they were made."""
    return [
        Move(
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


def violations(moves: Iterable[Move], truth: Mapping[Key, Facts]) -> Iterator[str]:
    """Describe each move that must never have been made.

    `truth` is what the exchange truly has: of an order that has ended, its only end.
    """
    for move in moves:
        fault = _fault(move, truth.get(move.key))
        if fault is not None:
            yield f"{' '.join(move.key)} {fault}: {_told(move.before)} -> {_told(move.after)}"


def _fault(move: Move, truth: Facts | None) -> str | None:
    before, after = move.before, move.after
    if before.status.is_terminal and after.status is not before.status:
        return "was opened again or ended twice"
    if after.status.progress < before.status.progress:
        return "went back to an earlier status"
    if after.executed_qty < before.executed_qty:
        return "lost an executed quantity"
    if after.status.is_terminal and after != truth:
        return "got an end that the exchange never reported"
    return None


def _told(facts: Facts) -> str:
    return f"{facts.status.value} {facts.executed_qty} at {facts.avg_price}"
