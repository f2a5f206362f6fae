"""Mutated answers: always a report of what was said, a hold, or a named error."""

import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.report import Absent, Answer, OrderFault, Report
from reconciler.errors import ExchangeError, UnreadableRow
from reconciler.exchanges.api_client import ApiRequest, ApiResponse
from reconciler.exchanges.coinbase.api import CoinbaseApi
from reconciler.exchanges.coinbase.constants import (
    BATCH_PATH,
    ONE_PRIVATE,
    ORDER_PATH,
    STATUSES,
    VENUE,
)
from reconciler.exchanges.coinbase.mapping import (
    decode_lookup,
    result_of_list,
    result_of_lookup,
    result_of_many,
)
from reconciler.exchanges.coinbase.raw_orders import decode_page
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.query_result import QueryResult

from .samples import NO_SUCH_ORDER, NOW, SIGNED, a_page, a_ref, a_row, dumped, filled

API = CoinbaseApi("https://api.coinbase.com", SIGNED, VENUE.key_form)
REFS = [a_ref(number) for number in (1, 2, 3)]
ROWS = [filled(1), a_row(2), a_row(3, status="CANCELLED", filled_size="0.5")]
PAGE = dumped(a_page(ROWS, cursor="next"))
ONE = dumped({"order": filled(1)})
ERROR = dumped(NO_SUCH_ORDER)

HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1e400, float("nan"), 10**30, 2**63, "", " ", "0x1", "1e9", "NaN"),
    *("٣", "filled", "FILLED ", "FILLED", "CANCELLED", "EXPIRED", "\x00", "9" * 500, [], {}, [[]]),
    *({"base_size": "1"}, ["FILLED"], "../..", ROWS[0]["order_id"], ROWS[1]["order_id"]),
]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of a JSON value with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def mutated(body: bytes, rng: Random) -> bytes:
    """Change a body in one to three ways."""
    for _ in range(rng.randint(1, 3)):
        body = _mutated_once(body, rng)
    return body


def _mutated_once(body: bytes, rng: Random) -> bytes:
    if rng.random() < 0.3:
        at = rng.randrange(len(body) + 1)
        flipped = bytes([rng.randrange(256)])
        return rng.choice([body[:at], body[:at] + flipped + body[at + 1 :], body[:at] + body[at:]])
    try:
        value = json.loads(body)
    except ValueError:
        return body
    if not isinstance(value, dict | list) or not value:
        return body
    container, key = rng.choice(list(places(value)))
    match rng.randrange(4):
        case 0:
            del container[key]
        case 1 if isinstance(container, list):
            container.append(container[key])
        case 2 if isinstance(container, dict):
            container[f"new_{rng.randrange(9)}"] = container[key]
        case _:
            container[key] = rng.choice(HOSTILE)
    return json.dumps(value).encode()


def rows_in(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a JSON value that has an order's id."""
    if isinstance(value, dict):
        if "order_id" in value:
            yield value
        for inner in value.values():
            yield from rows_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from rows_in(inner)


def is_said(report: Report, body: bytes) -> bool:
    """Return True if a row of the body has the id, the word and the quantity of a report."""
    return any(
        str(row["order_id"]).lower() == report.external_order_id
        and Decimal(str(row["filled_size"])) == report.executed_qty
        and (
            report.status is None
            or (row["status"] == report.word and STATUSES[report.word] is report.status)
        )
        for row in rows_in(json.loads(body))
    )


def asked(kind: str, status: int, body: bytes) -> QueryResult:
    """Return what becomes of an answer to a request of that kind."""
    response = HttpResponse(status=status, headers=httpx.Headers(), body=body)
    if kind == "one":
        request = ApiRequest(path=f"{ORDER_PATH}/x", cost=ONE_PRIVATE)
        one = API.decode(request, response, lambda content: decode_lookup(REFS[0], content))
        return result_of_lookup(REFS[0], ApiResponse(value=one, fetched_at=NOW))
    request = ApiRequest(path=BATCH_PATH, cost=ONE_PRIVATE)
    page = ApiResponse(value=API.decode(request, response, decode_page), fetched_at=NOW)
    return result_of_many(REFS, page) if kind == "many" else result_of_list(REFS, page)


def check(answer: Answer, kind: str, status: int, body: bytes) -> None:
    """Check that an answer says what the body says."""
    match answer:
        case Report():
            assert status == 200
            assert is_said(answer, body)
        case Absent():
            # A list never proves an absence: only a look-up's own error does.
            assert kind == "many" or (
                status == 404 and b"this orderid was not found" in body.lower()
            )
        case OrderFault():
            assert "BTC-USD" in answer.detail
        case _:
            pytest.fail(f"unexpected {answer}")


@pytest.mark.parametrize("kind", ["one", "many", "list"])
@given(
    seed=st.integers(min_value=0, max_value=2**32),
    status=st.sampled_from([200, 200, 200, 200, 400, 401, 403, 404, 429, 500]),
)
@settings(max_examples=700, deadline=None)
def test_mutated_answer_is_reported_as_it_is_or_not_at_all(
    kind: str, seed: int, status: int
) -> None:
    rng = Random(seed)  # noqa: S311 - to be the same each time
    body = mutated(rng.choice([ONE if kind == "one" else PAGE, ERROR]), rng)

    try:
        result = asked(kind, status, body)
    except ExchangeError:
        return

    assert set(result.answers).isdisjoint(result.failures)
    assert set(result.answers) | set(result.failures) <= set(REFS)
    assert all(isinstance(failure, UnreadableRow) for failure in result.failures.values())
    for answer in result.answers.values():
        check(answer, kind, status, body)


@given(st.binary(max_size=300), st.sampled_from(["one", "many", "list"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_error_or_say_nothing(body: bytes, kind: str) -> None:
    try:
        result = asked(kind, 200, body)
    except ExchangeError:
        return

    assert not any(isinstance(answer, Report) for answer in result.answers.values())


@pytest.mark.parametrize("kind", ["one", "many", "list"])
def test_answer_that_is_nested_too_deep_is_an_error(kind: str) -> None:
    with pytest.raises(ExchangeError):
        asked(kind, 200, b'{"orders":' + b"[" * 100_000)
