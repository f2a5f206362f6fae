"""Mutated answers: a report that the answer says, a failure of that order, or a named error."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.report import Absent, Report
from reconciler.errors import ExchangeError, UnreadableRow
from reconciler.exchanges.api_client import ApiRequest
from reconciler.exchanges.api_errors import ErrorResponse
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.kraken.api import KrakenApi
from reconciler.exchanges.kraken.constants import (
    OPEN_COST,
    OPEN_ORDERS,
    QUERY_COST,
    QUERY_ORDERS,
    STATUSES,
)
from reconciler.exchanges.kraken.mapping import decode_lookup, result_of_list, result_of_query
from reconciler.exchanges.kraken.raw_orders import RawOrders, decode_open, decode_queried
from reconciler.exchanges.query_result import QueryResult

from .raw import CANCELED, CLOSED, OPEN, QUOTE_SIZED, body_of
from .server import CREDENTIALS, NOW, ref_of, txid

API = KrakenApi("http://127.0.0.1:9", CREDENTIALS)
ORDERS = (CLOSED, CANCELED, OPEN, QUOTE_SIZED)
REFS = [ref_of(number) for number in range(len(ORDERS) + 1)]
TXIDS = [ref.external_order_id for ref in REFS]

VALUES: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 1.5, 10**30, "", "0", "1", "-1", "0.1", "1e5", "NaN", "٣", " 1"),
    *("closed", "canceled", "expired", "open", "pending", "Closed", "filled", "viqc", "fciq,viqc"),
    *([], {}, [{}], {"a": 1}, "\x00", "x" * 500, "60.00000000", "0.21804000"),
    *(float("nan"), float("inf"), "EOrder:Unknown order", ["EOrder:Unknown order"], ["WNew:x"]),
)


def random(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - to be the same each time


def valid_body(name: str | None = None) -> bytes:
    """Return an answer about all orders but the last, which does not exist."""
    return body_of({txid(number): order for number, order in enumerate(ORDERS)}, name)


def mutated_value(parsed: Any, rng: Random) -> Any:
    """Change one part of a decoded answer, somewhere in it."""
    if not isinstance(parsed, dict) or not parsed or rng.random() < 0.1:
        return rng.choice(VALUES)
    name = rng.choice(list(parsed))
    match rng.randrange(6):
        case 0:
            return {key: value for key, value in parsed.items() if key != name}
        case 1:
            renamed = rng.choice([txid(rng.randrange(9)), name.upper(), "", *parsed])
            return {renamed if key == name else key: value for key, value in parsed.items()}
        case 2:
            return {
                **parsed,
                rng.choice(["status", "vol_exec", "new", txid(7)]): rng.choice(VALUES),
            }
        case _:
            return {**parsed, name: mutated_value(parsed[name], rng)}


def mutated_bytes(body: bytes, rng: Random) -> bytes:
    """Cut a body off, change some of its bytes, or write a part of it twice."""
    first, last = sorted((rng.randrange(len(body)), rng.randrange(len(body))))
    match rng.randrange(4):
        case 0:
            return body[:first]
        case 1:
            return body[:first] + bytes([rng.randrange(256)]) + body[first + 1 :]
        case 2:
            return body[:last] + body[first:last] + body[last:]
        case _:
            return body[:first] + body[last:]


def mutated(body: bytes, rng: Random) -> bytes:
    """Change an answer in one to four places."""
    for _ in range(rng.randint(1, 3)):
        try:
            body = json.dumps(mutated_value(json.loads(body), rng)).encode()
        except (ValueError, RecursionError):
            break
    return mutated_bytes(body, rng) if body and rng.random() < 0.3 else body


def read(
    path: str, body: bytes, status: int, decode: Callable[[bytes], RawOrders]
) -> RawOrders | ErrorResponse:
    cost = QUERY_COST if path == QUERY_ORDERS else OPEN_COST
    response = HttpResponse(status=status, headers=httpx.Headers(), body=body)
    return API.decode(ApiRequest(path=path, cost=cost, method="POST"), response, decode)


def check_lookup(body: bytes, status: int) -> None:
    """Read an answer to QueryOrders; raise AssertionError if it says what the body does not."""
    try:
        read_orders = read(QUERY_ORDERS, body, status, partial(decode_lookup, TXIDS))
    except ExchangeError:
        return
    if isinstance(read_orders, ErrorResponse):
        assert any(text in body.decode(errors="replace") for text in ("EOrder", "EGeneral"))
        return
    result = result_of_query(REFS, read_orders, NOW)
    said = json.loads(body)["result"]
    assert result.answers.keys() | result.failures.keys() == set(REFS)
    assert_said(result, said)
    for ref, answer in result.answers.items():
        if isinstance(answer, Absent):
            assert ref.external_order_id not in said


def check_list(body: bytes, status: int) -> None:
    """Read an answer to OpenOrders in the same way; it never says that an order is absent."""
    try:
        read_orders = read(OPEN_ORDERS, body, status, decode_open)
    except ExchangeError:
        return
    if isinstance(read_orders, ErrorResponse):
        return
    result = result_of_list(REFS, read_orders, NOW, offset=None)
    assert_said(result, json.loads(body)["result"]["open"])
    assert all(isinstance(answer, Report) for answer in result.answers.values())


def assert_said(result: QueryResult, said: Mapping[str, Any]) -> None:
    """Every report is what stands under the order's id, and every failure is that order's."""
    assert not result.answers.keys() & result.failures.keys()
    assert all(isinstance(failure, UnreadableRow) for failure in result.failures.values())
    for ref, answer in result.answers.items():
        if isinstance(answer, Report):
            order = said[ref.external_order_id]
            assert answer.status is STATUSES.get(order["status"])
            assert answer.executed_qty == Decimal(order["vol_exec"])
            assert answer.quantity in {None, Decimal(order.get("vol") or 0)}
            assert answer.avg_price in {None, Decimal(order.get("price") or 0)}


seeds = st.integers(0, 2**32 - 1)
statuses = st.sampled_from([200] * 9 + [400, 404, 500, 502])


@settings(max_examples=1000)
@given(seed=seeds, status=statuses)
def test_mutated_lookup_says_nothing_that_it_does_not_say(seed: int, status: int) -> None:
    check_lookup(mutated(valid_body(), random(seed)), status)


@settings(max_examples=1000)
@given(seed=seeds, status=statuses)
def test_mutated_list_says_nothing_that_it_does_not_say(seed: int, status: int) -> None:
    check_list(mutated(valid_body("open"), random(seed)), status)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_named_error(body: bytes) -> None:
    check_lookup(body, 200)
    check_list(body, 200)


def test_answer_that_is_not_mutated_is_read() -> None:
    orders = read(QUERY_ORDERS, valid_body(), 200, decode_queried)

    assert not isinstance(orders, ErrorResponse)
    result = result_of_query(REFS, orders, NOW)
    assert result.failures == {}
    assert [type(result.answers[ref]) for ref in REFS] == [Report] * len(ORDERS) + [Absent]
