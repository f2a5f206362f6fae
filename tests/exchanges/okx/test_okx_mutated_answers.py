"""Mutated answers: a report of what was said, a hold, or a named error. Never anything else."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.report import Absent, Report
from reconciler.domain.status import TERMINAL
from reconciler.errors import ExchangeError
from reconciler.exchanges.api_client import ApiRequest, ApiResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.okx.api import OkxApi
from reconciler.exchanges.okx.constants import STATUSES
from reconciler.exchanges.okx.mapping import (
    decode_list,
    decode_lookup,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.query_result import QueryResult
from reconciler.settings import Credentials

from .examples import STATES, Json, an_order, answer

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
API = OkxApi("https://www.okx.com", Credentials())
REQUEST = ApiRequest(path="/api/v5/trade/order", cost={})
IDS = ("1753197687182819328", "1753197687182819329", "1753197687182819330")
REFS = tuple(OrderRef(symbol="BTC-USDT", external_order_id=order_id) for order_id in IDS)

ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(
        ["", "0", "-1", "1e9", "NaN", "Infinity", "filled", "canceled", "live", "51603", "x" * 999]
    ),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


@st.composite
def rows(draw: st.DrawFn, order_id: str) -> Json:
    row = an_order(
        ordId=order_id,
        state=draw(st.sampled_from(sorted(STATES))),
        accFillSz=draw(st.sampled_from(["0", "0.5", "2"])),
        avgPx=draw(st.sampled_from(["", "2.1"])),
    )
    for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=3)):
        row[name] = draw(ODD_VALUES)
    for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=2)):
        row.pop(name, None)
    return row


def read(body: bytes, status: int, *, is_list: bool) -> QueryResult | ExchangeError:
    response = HttpResponse(status=status, headers=httpx.Headers(), body=body)
    decode = decode_list("BTC-USDT") if is_list else decode_lookup(REFS[0])
    try:
        value = API.decode(REQUEST, response, decode)
        answered = ApiResponse(value=value, fetched_at=NOW)
        if is_list:
            return result_of_list("BTC-USDT", REFS, answered)
        return result_of_lookup(REFS[0], answered)
    except ExchangeError as error:
        return error


def states_said(parsed: Any, order_id: str) -> set[str]:
    """Return the states that an answer has for an order, read without any code of ours."""
    rows_of = parsed.get("data") if isinstance(parsed, dict) else None
    return {
        str(row.get("state"))
        for row in (rows_of if isinstance(rows_of, list) else [])
        if isinstance(row, dict) and str(row.get("ordId")) == order_id
    }


def require_sound(result: QueryResult | ExchangeError, body: bytes, *, is_list: bool) -> None:
    if isinstance(result, ExchangeError):
        assert str(result)
        return
    assert not result.answers.keys() & result.failures.keys()
    for ref, found in result.answers.items():
        if isinstance(found, Absent):
            assert not is_list
            assert b"51603" in body
        if not isinstance(found, Report):
            continue
        said = states_said(json.loads(body), ref.external_order_id)
        assert found.word in said or found.status is None
        if found.status in TERMINAL:
            assert {STATUSES.get(word) for word in said} == {found.status}
        assert found.executed_qty.is_finite()
        assert found.executed_qty >= 0


@given(st.tuples(*(rows(order_id) for order_id in IDS)))
def test_a_list_with_odd_rows_reports_only_what_its_rows_say(page: tuple[Json, ...]) -> None:
    body = answer(*page)

    require_sound(read(body, 200, is_list=True), body, is_list=True)


@given(rows(IDS[0]), st.sampled_from([200, 400, 404]))
def test_a_look_up_with_an_odd_row_reports_only_what_it_says(row: Json, status: int) -> None:
    body = answer(row)

    require_sound(read(body, status, is_list=False), body, is_list=False)


@given(
    envelope=st.fixed_dictionaries({"code": ODD_VALUES, "msg": ODD_VALUES, "data": ODD_VALUES}),
    status=st.integers(100, 599),
    is_list=st.booleans(),
)
def test_an_odd_envelope_is_a_named_error_or_says_nothing(
    *, envelope: Json, status: int, is_list: bool
) -> None:
    body = json.dumps(envelope).encode()

    require_sound(read(body, status, is_list=is_list), body, is_list=is_list)


@pytest.mark.parametrize("is_list", [False, True], ids=["look-up", "list"])
@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_never_end_an_order(seed: int, *, is_list: bool) -> None:
    rng = Random(seed)  # noqa: S311 - to be the same each time
    whole = answer(*(an_order(ordId=order_id, accFillSz="0.5", avgPx="2") for order_id in IDS))
    one = answer(an_order(ordId=IDS[0], accFillSz="0.5", avgPx="2"))
    for _ in range(5_000):
        body = bytearray(whole if is_list else one)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(body))
            match rng.randrange(3):
                case 0:
                    body[at] = rng.randrange(256)
                case 1:
                    del body[at : at + rng.randrange(1, 40)]
                case _:
                    body[at:at] = body[rng.randrange(len(body)) :][: rng.randrange(1, 40)]
        result = read(bytes(body), 200, is_list=is_list)
        if isinstance(result, ExchangeError):
            continue
        for found in result.answers.values():
            # All orders are open: no change of a few bytes writes another state's word.
            assert not isinstance(found, Absent)
            assert isinstance(found, Report)
            assert found.status not in TERMINAL
            assert found.executed_qty <= Decimal(10) ** 30
