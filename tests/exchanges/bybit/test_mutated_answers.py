"""Mutated answers: always a report that the answer gives, a hold, or an error of ours.

What a mutated answer says is read here a second time, with the standard library alone.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, OrderFault, Report
from reconciler.domain.status import TERMINAL
from reconciler.errors import ExchangeError
from reconciler.exchanges.api_client import ApiRequest
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.bybit.api import BybitApi
from reconciler.exchanges.bybit.constants import REALTIME_COST, REALTIME_PATH, STATUSES
from reconciler.exchanges.bybit.mapping import (
    decode_list,
    decode_lookup,
    result_of_list,
    result_of_lookup,
)
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.query_result import QueryResult
from reconciler.settings import Credentials
from tests.exchanges.bybit.documented import a_page, an_answer, an_order

ANSWERS = 1200
SEEDS = range(4)

API = BybitApi(
    "https://api.bybit.com",
    Credentials(api_key=SecretStr("made-up-key"), api_secret=SecretStr("made-up-secret")),
)
REQUEST = ApiRequest(path=REALTIME_PATH, cost=REALTIME_COST)
NOW = datetime(2026, 11, 28, tzinfo=UTC)

ORDERS = [
    an_order(orderId=str(10**18 + number), orderStatus=word, cumExecQty=executed, avgPrice=average)
    for number, (word, executed, average) in enumerate(
        (word, executed, average)
        for word in STATUSES
        for executed, average in (("0", ""), ("0.05", "1000.5"))
    )
]
REFS = frozenset(OrderRef(symbol="ETHUSDT", external_order_id=order["orderId"]) for order in ORDERS)
PAGE = a_page(*ORDERS, cursor="1%3A2%2C3%3A4")
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 7, 2**70, 1.5, "", "0", "-1", "NaN", "1e9", "x", [], {}, [[]], {"a": {}}),
    *("Filled", "Cancelled", "New", "0.1", "BTCUSDT", "1000000000000000003", "spot", "linear"),
)
WORDS = (b"Filled", b"Rejected", b"null", b'"', b"{", b"}", b",", b"[", b"0", b"\x00", b"\xff")


def mutated_value(rng: Random) -> bytes:
    """Change one value, or one name, somewhere in the answer."""
    answer = json.loads(json.dumps(PAGE))
    target = rng.choice([answer, answer["result"], *answer["result"]["list"] * 2])
    name = rng.choice(list(target))
    match rng.randrange(4):
        case 0:
            del target[name]
        case 1:
            target[name + rng.choice(["", " ", "s"])] = target.pop(name)
        case _:
            target[name] = rng.choice(VALUES)
    return msgspec.json.encode(answer)


def mutated_bytes(rng: Random) -> bytes:
    """Cut, overwrite, double or insert some bytes."""
    body = bytearray(msgspec.json.encode(PAGE))
    for _ in range(rng.randrange(1, 4)):
        at, length = rng.randrange(len(body)), rng.randrange(1, 40)
        match rng.randrange(4):
            case 0:
                del body[at : at + length]
            case 1:
                body[at] = rng.randrange(256)
            case 2:
                body[at:at] = body[at : at + length]
            case _:
                body[at:at] = rng.choice(WORDS)
    return bytes(body[: rng.choice([len(body), rng.randrange(1, len(body) + 1)])])


def doubled_field(rng: Random) -> bytes:
    """Give an order a field twice, with two values."""
    order = rng.choice(ORDERS)
    name = rng.choice(["orderStatus", "cumExecQty", "orderId", "symbol", "avgPrice", "qty"])
    body = msgspec.json.encode(PAGE)
    known = msgspec.json.encode(order)
    other = msgspec.json.encode(rng.choice(ORDERS)[name])
    return body.replace(known, known[:-1] + b',"' + name.encode() + b'":' + other + b"}", 1)


def error_answer(rng: Random) -> bytes:
    """Answer with some code, next to a page of orders."""
    code = rng.choice([10001, 10002, 10006, 10016, 110001, 170213, rng.randrange(-(10**6), 10**7)])
    return msgspec.json.encode(an_answer(PAGE["result"], code=code, message="symbol orderId time"))


MUTATIONS: tuple[Callable[[Random], bytes], ...] = (
    mutated_value,
    mutated_bytes,
    doubled_field,
    error_answer,
)


def mutated_answers(rng: Random) -> Iterator[tuple[int, bytes]]:
    for _ in range(ANSWERS):
        status = 200 if rng.random() < 0.9 else rng.choice([204, 400, 403, 404, 429, 500, 503])
        yield status, rng.choice(MUTATIONS)(rng)


def read(status: int, body: bytes, ref: OrderRef | None) -> QueryResult | ErrorResponse | None:
    """Read an answer as the adapter does; None if it is an error of ours."""
    response = HttpResponse(status=status, headers=httpx.Headers(), body=body)
    try:
        if ref is None:
            page = API.decode(REQUEST, response, lambda raw: decode_list(None, raw))
            return page if isinstance(page, ErrorResponse) else result_of_list(REFS, page, NOW)
        page = API.decode(REQUEST, response, lambda raw: decode_lookup(ref, raw))
        return page if isinstance(page, ErrorResponse) else result_of_lookup(ref, page, NOW)
    except ExchangeError:
        return None


def rows_of(body: bytes) -> list[dict[str, list[Any]]]:
    """Return the orders that an answer has, each name with all the values that it stands for."""

    def as_lists(pairs: list[tuple[str, Any]]) -> dict[str, list[Any]]:
        values: dict[str, list[Any]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        return values

    parsed = json.loads(body, object_pairs_hook=as_lists, parse_int=str, parse_float=str)
    assert parsed["retCode"] == ["0"]
    [result] = parsed["result"]
    assert result["category"] == ["spot"]
    [rows] = result["list"]
    return [row for row in rows if isinstance(row, dict)]


def assert_was_said(ref: OrderRef, report: Report, body: bytes) -> None:
    """Check that a row of the answer says what the report does, and that no row denies it.

    A row that names two orders is about neither.
    """
    rows = [row for row in rows_of(body) if row.get("orderId") == [ref.external_order_id]]
    assert rows
    for row in rows:
        assert row["symbol"] == [ref.symbol]
        assert len(row["orderStatus"]) == 1
        assert Decimal(row["cumExecQty"][0]) == report.executed_qty
        if report.status is not None and report.status in TERMINAL:
            assert STATUSES[row["orderStatus"][0]] in TERMINAL


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("asked", ["a list", "one order"])
def test_mutated_answer_gives_what_it_says_or_an_error(seed: int, asked: str) -> None:
    rng = Random(f"{seed} {asked}")  # noqa: S311 - to be the same each time
    reports = errors = 0

    for status, body in mutated_answers(rng):
        ref = None if asked == "a list" else rng.choice(sorted(REFS, key=repr))
        result = read(status, body, ref)
        if result is None:
            errors += 1
            continue
        if isinstance(result, ErrorResponse):
            assert (status, result.kind in ErrorKind) == (200, True)
            continue
        assert status == 200
        for of, answer in result.answers.items():
            assert of in REFS
            assert not isinstance(answer, Absent) or (ref is not None and rows_of(body) == [])
            assert isinstance(answer, Report | OrderFault | Absent)
            if isinstance(answer, Report):
                reports += 1
                assert_was_said(of, answer, body)

    assert errors > ANSWERS / 20
    assert reports > 0 or asked == "one order"


@pytest.mark.parametrize("seed", SEEDS)
def test_mutated_look_up_of_one_order_gives_what_it_says_or_an_error(seed: int) -> None:
    rng = Random(seed)  # noqa: S311 - to be the same each time
    order = ORDERS[seed * 3]
    ref = OrderRef(symbol="ETHUSDT", external_order_id=order["orderId"])
    said = 0

    for _ in range(ANSWERS):
        changed = {**order, rng.choice(list(order)): rng.choice(VALUES)}
        body = msgspec.json.encode(a_page(*[changed] * rng.choice([1, 1, 1, 0, 2])))
        result = read(200, body, ref)
        if not isinstance(result, QueryResult):
            continue
        answer = result.answers.get(ref)
        if isinstance(answer, Report):
            said += 1
            assert_was_said(ref, answer, body)
        elif isinstance(answer, Absent):
            assert rows_of(body) == []

    assert said > ANSWERS / 4
