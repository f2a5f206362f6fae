"""What `rounded` says that a column keeps is what PostgreSQL gives back of what it was given."""

import dataclasses
from decimal import Context, Decimal
from functools import partial
from random import Random

import pytest

from reconciler.domain.column_scale import (
    EVERY_DIGIT,
    DecimalPlaces,
    RemainingScale,
    Scale,
    rounded,
)
from reconciler.domain.contradiction import ComparedColumn
from reconciler.domain.decide import Change, Rule, decide
from reconciler.domain.order import Facts
from reconciler.domain.status import Status
from reconciler.scope import UNSCOPED
from reconciler.store.column_scales import scale_of
from reconciler.store.columns import read_columns
from reconciler.store.compare_and_set import PlannedWrites
from reconciler.store.database import Database
from reconciler.store.hold_acceptance import NotAcceptable, decide_acceptance
from reconciler.store.holds import HeldOrder, read_hold
from reconciler.store.order_writer import OrderWriter
from reconciler.store.replay import replay

from .builders import (
    EXCHANGE,
    Application,
    a_policy,
    a_report,
    applied,
    insert_order,
    now_of,
    read_log,
    read_planned,
    shape_of,
)

# Column: type, unit. Each is written and read as the stored value times the unit.
COLUMNS = {
    "plain": ("numeric(40, 8)", "1"),
    "whole": ("numeric(40)", "1"),
    "every_digit": ("numeric", "1"),
    "every_digit_e3": ("numeric", "1e-3"),
    "cents_e3": ("numeric(40, 2)", "1e-3"),
    "thousands": ("numeric(40, 1)", "1e3"),
    "micros": ("bigint", "1e-6"),
    "lots": ("integer", "1e2"),
    "texts": ("text", "1"),
    "doubles": ("double precision", "1"),
    "reals": ("real", "1"),
    "double_micros": ("double precision", "1e-6"),
    "real_thousands": ("real", "1e3"),
}
# What a number is compared with at a half, at the edge of a type, and in its last digit.
NUMBERS = (
    "0 0.5 1.5 0.125 0.135 0.005 0.0000005 0.0000015 0.000000005 0.1 0.2 0.3 0.7 50 150 250"
    " 0.30000000000000004 0.123456789012345678 1.00000005960464477539062500001 16777217"
    " 33.333333333 99999.99999999 123456.12345678 60000.123456789 1E-20"
)
EXACT = Context(prec=500)


def some_numbers() -> list[Decimal]:
    random = Random(7)  # noqa: S311 - the same numbers in each run
    return [
        *map(Decimal, NUMBERS.split()),
        *(Decimal(random.randrange(10**13)).scaleb(-8) for _ in range(300)),
        *(Decimal(random.randrange(10**16)).scaleb(-16) for _ in range(300)),
    ]


def test_a_number_is_read_back_as_it_is_rounded(
    owner: Application, empty_database: Database
) -> None:
    stored = [f"{name} {type_}" for name, (type_, _) in COLUMNS.items()]
    left = [f"left_of_{name} {type_}" for name, (type_, _) in COLUMNS.items()]
    owner.execute(f"CREATE TABLE kept (place int, ordered numeric, {', '.join(stored + left)})")
    with empty_database.autocommit() as connection:
        found = read_columns(connection, "kept")
    columns = {name: scale_of(found[name], Decimal(unit)) for name, (_, unit) in COLUMNS.items()}
    remaining = {f"left_of_{name}": RemainingScale(column) for name, column in columns.items()}
    scales: dict[str, Scale] = {**columns, **remaining}
    numbers = some_numbers()
    orders = [EXACT.add(one, two) for one, two in zip(numbers, reversed(numbers), strict=True)]

    rows = owner.execute(_write_and_read(), {"numbers": numbers, "orders": orders}).fetchall()

    assert len(rows) == len(numbers)
    for row in rows:
        number, ordered = numbers[row["place"] - 1], orders[row["place"] - 1]
        kept = {name: rounded(number, scale, ordered) for name, scale in scales.items()}
        assert {name: row[name] for name in scales} == kept, f"{number} of {ordered}"


def _write_and_read() -> str:
    """Return one statement that writes each number and reads it back, once for each column."""
    written = [_written(name, "number") for name in COLUMNS]
    left = [_written(name, "ordered - number") for name in COLUMNS]
    read = [f"{_read(name, name)} AS {name}" for name in COLUMNS]
    executed = [f"ordered - {_read(name, f'left_of_{name}')} AS left_of_{name}" for name in COLUMNS]
    return f"""
        INSERT INTO kept SELECT place, ordered, {", ".join(written + left)}
        FROM unnest(%(numbers)s::numeric[], %(orders)s::numeric[])
            WITH ORDINALITY AS given (number, ordered, place)
        RETURNING place, {", ".join(read + executed)}"""  # noqa: S608 - the columns above


def _written(name: str, value: str) -> str:
    type_, unit = COLUMNS[name]
    return f"(({value}) * {1 / Decimal(unit):f})::numeric::{type_}"


def _read(name: str, column: str) -> str:
    _, unit = COLUMNS[name]
    return f"({column}::text::numeric * {Decimal(unit):f})"


LEFT_IN_CENTS = RemainingScale(DecimalPlaces(2))


def test_change_of_what_remains_is_replayed_by_the_quantity_in_its_entry(
    application: Application, database: Database
) -> None:
    orders = dataclasses.replace(shape_of(database), quantity_scale=LEFT_IN_CENTS)
    policy = dataclasses.replace(a_policy(orders), compared=frozenset[ComparedColumn]())
    insert_order(application, 1, qty=Decimal("1.2345"))
    report = a_report(1, Status.PARTIAL, "0.5", "100", fetched_at=now_of(database))
    writer = OrderWriter(orders, exchange=EXCHANGE, decide=partial(decide, policy=policy))

    with database.transaction() as connection:
        writer.apply(connection, {1: report})

    (entry,) = read_log(application, 1)
    assert entry["details"]["qty"] == "1.23450000"
    assert entry["details"]["to"]["executed_qty"] == "0.50450000"
    with database.autocommit() as connection:
        changes = list(replay(connection, policy, scope=UNSCOPED))
    assert [change.difference for change in changes] == [None]
    application.execute("UPDATE activity_log SET details = details - 'qty'")
    with database.autocommit() as connection:
        (change,) = replay(connection, policy, scope=UNSCOPED)
    assert "no qty" in (change.difference or "")


@pytest.mark.parametrize("logs_qty", [True, False])
def test_planned_change_logs_the_quantity_where_its_decision_depends_on_it(
    application: Application, database: Database, *, logs_qty: bool
) -> None:
    insert_order(application, 1, qty=2)
    report = a_report(1, fetched_at=now_of(database))
    to = Facts(status=Status.FILLED, executed_qty=Decimal(2), avg_price=None)
    planned = PlannedWrites(
        confirmed=[],
        changed=[(read_planned(database)[1], report, Change(to=to, rule=Rule.ENDED))],
    )

    scale = LEFT_IN_CENTS if logs_qty else EVERY_DIGIT
    orders = dataclasses.replace(shape_of(database), quantity_scale=scale)
    details = planned.parameters(EXCHANGE, orders)["details"]

    assert ('"qty":"2.00000000"' in str(details)) is logs_qty


def test_person_accepts_what_remains_as_its_column_keeps_it(
    application: Application, database: Database
) -> None:
    orders = dataclasses.replace(shape_of(database), quantity_scale=LEFT_IN_CENTS)
    insert_order(application, 1, status="partial", executed_qty=2, qty=Decimal("2.2345"))
    applied(database, (1, a_report(1, Status.CANCELED, "0.5", fetched_at=now_of(database))))
    with database.autocommit() as connection:
        hold = read_hold(connection, UNSCOPED, "1")
    assert hold is not None

    acceptance = decide_acceptance(hold, None, orders, now=now_of(database))

    assert acceptance.to.executed_qty == Decimal("0.5045")
    for unknown in ({"row_facts": hold.row_facts | {"qty": None}}, {"report": _quote_sized(hold)}):
        with pytest.raises(NotAcceptable, match="has no qty"):
            decide_acceptance(
                dataclasses.replace(hold, **unknown), None, orders, now=now_of(database)
            )


def _quote_sized(hold: HeldOrder) -> dict[str, object]:
    return {**(hold.report or {}), "is_quote_sized": True}
