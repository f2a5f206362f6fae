"""Rows and values that adapters share: read strictly, or not at all."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from reconciler.domain.status import Status
from reconciler.errors import UnreadableRow
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.json_answers import (
    RowReader,
    UnreadableOrder,
    number_id,
    parse_json,
    rows_in,
    text_id,
    value_at,
)
from reconciler.exchanges.raw_values import (
    client_order_id,
    known_words,
    optional_quantity,
    quantity,
    require_executed_within,
    time_of_iso,
    time_of_ms,
    time_of_seconds,
    word_and_status,
)

ORDER = OrderRef(symbol="BTC-USDT", external_order_id="OQ3Z")


class Row(msgspec.Struct, frozen=True, rename="camel"):
    symbol: str
    order_id: str
    filled: str
    update_time: object = None


ROWS = RowReader(
    Row, symbol="symbol", order_id="orderId", as_id=text_id, decides_nothing=("update_time",)
)


def a_row(order_id: object, **fields: object) -> dict[str, object]:
    return {"symbol": "BTC-USDT", "orderId": order_id, "filled": "1", **fields}


def read(*rows: object) -> list[Any]:
    parsed = parse_json(json.dumps({"data": rows}).encode())
    return list(ROWS.read_all(rows_in(parsed, "data")))


def test_row_whose_id_or_symbol_may_be_anything_is_refused_when_the_module_loads() -> None:
    """Two orders are told apart by them: a list there would end the whole answer."""
    for name in ("symbol", "order_id"):
        row = msgspec.defstruct(
            "Row", [(one, object if one == name else str) for one in ("symbol", "order_id")]
        )

        with pytest.raises(TypeError, match=rf"Row.{name} must be text or a number"):
            RowReader(row, symbol="symbol", order_id="order_id", as_id=text_id)


def test_unreadable_row_fails_alone_and_is_named() -> None:
    good, bad, nameless = read(a_row("1"), a_row("2", filled=None), {"symbol": 1})

    assert good == Row(symbol="BTC-USDT", order_id="1", filled="1")
    assert (bad.symbol, bad.order_id) == ("BTC-USDT", "2")
    assert (nameless.symbol, nameless.order_id) == (None, None)


def test_numbers_keep_every_digit() -> None:
    parsed = parse_json(b'{"a":12345678901234567890,"b":0.10,"c":%s}' % (b"9" * 400))

    assert parsed == {"a": 12345678901234567890, "b": "0.10", "c": "9" * 400}


def test_a_bare_nan_is_the_fault_of_its_row_alone() -> None:
    parsed = parse_json(
        b'[{"symbol":"A","orderId":"1","filled":NaN},{"symbol":"A","orderId":"2","filled":"1"}]'
    )

    bad, good = ROWS.read_all(parsed)

    assert isinstance(bad, UnreadableOrder)
    assert isinstance(good, Row)


def test_field_that_stands_twice_makes_its_row_unreadable() -> None:
    (row,) = ROWS.read_all(parse_json(b'[{"symbol":"A","orderId":"1","filled":"1","filled":"2"}]'))

    assert isinstance(row, UnreadableOrder)
    assert (row.symbol, row.order_id) == ("A", "1")


def test_envelope_with_a_field_twice_is_no_answer() -> None:
    parsed = parse_json(b'{"data":[],"data":[{}]}')

    with pytest.raises(ValueError, match="data"):
        rows_in(parsed, "data")
    with pytest.raises(ValueError, match="twice"):
        value_at(parse_json(b'{"x":1,"x":1,"data":[]}'), "data")


def test_entries_of_one_order_that_differ_are_no_answer_for_it() -> None:
    same, *none = read(a_row("1", updateTime=1), a_row("1", updateTime=2))
    first, second = read(a_row("2"), a_row("2", filled="9"))

    assert none == []
    assert isinstance(same, Row)
    assert isinstance(first, Row)
    assert isinstance(second, UnreadableOrder)
    assert second.order_id == "2"


@pytest.mark.parametrize("body", [b"[" + b"0," * 10_000 + b"0]", b"[]" * 3, b"", b"{"], ids=len)
def test_what_is_no_answer_is_not_parsed(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_json(body)


def test_ids_are_read_as_text_or_as_numbers() -> None:
    assert [text_id(one) for one in ("7", 7, None, 7.5, True)] == ["7", "7", None, None, None]
    assert [number_id(one) for one in ("7", 7, "x", "9" * 21, True)] == [7, 7, None, None, None]


@pytest.mark.parametrize("text", ["", "-1", "1e3", "NaN", "1_0", " 1", "1" * 31, "\u0661"])
def test_quantity_in_any_other_form_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableRow, match="order OQ3Z of BTC-USDT: vol"):
        quantity(ORDER, "vol", text)


def test_quantity_that_may_be_missing_is_none() -> None:
    assert optional_quantity(ORDER, "avgPx", None) is None
    assert optional_quantity(ORDER, "avgPx", "", blank_is_none=True) is None
    assert optional_quantity(ORDER, "avgPx", "1.50") == Decimal("1.50")
    with pytest.raises(UnreadableRow):
        optional_quantity(ORDER, "avgPx", "")


def test_more_executed_than_ordered_is_unreadable() -> None:
    require_executed_within(ORDER, Decimal(1), Decimal(1), names=("filled", "size"))
    with pytest.raises(UnreadableRow, match="filled 2 of size 1"):
        require_executed_within(ORDER, Decimal(2), Decimal(1), names=("filled", "size"))


AT_NOON = datetime(2026, 11, 28, 12, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (time_of_ms(1795867200123), AT_NOON),
        (time_of_ms("1795867200123"), AT_NOON),
        (time_of_seconds("1795867200.1239"), AT_NOON),
        (time_of_seconds(1795867200), AT_NOON.replace(microsecond=0)),
        (time_of_iso("2026-11-28T12:00:00.123Z"), AT_NOON),
        (time_of_iso("2026-11-28T12:00:00.123000999Z"), AT_NOON),
        (time_of_iso("2026-11-28T12:00:00Z"), AT_NOON.replace(microsecond=0)),
        (time_of_iso("2026-11-28T12:00:00+00:00"), AT_NOON.replace(microsecond=0)),
        (time_of_iso("2026-11-28T12:00:00+01:00"), None),
        (time_of_iso("2026-13-28T12:00:00Z"), None),
        (time_of_iso(None), None),
        (time_of_ms(value=True), None),
        (time_of_ms(0), None),
        (time_of_ms("soon"), None),
        (time_of_ms(10**18), None),
        (time_of_seconds(1.5), None),
        (time_of_seconds("-1"), None),
    ],
)
def test_time_is_read_in_its_form_or_is_none(
    moment: datetime | None, expected: datetime | None
) -> None:
    assert moment == expected


def test_unknown_word_is_made_safe_and_has_no_status() -> None:
    known = known_words({"open": Status.NEW})

    assert word_and_status(known, "open") == ("open", Status.NEW)
    assert word_and_status(known, "op\x1ben") == ("op\\x1ben", None)


@pytest.mark.parametrize("value", ["", "x" * 101, "a\0b", 7, None])
def test_client_id_that_is_none_is_not_kept(value: object) -> None:
    assert client_order_id(value) is None
