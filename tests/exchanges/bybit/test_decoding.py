"""Answers of Bybit's: values, errors, pauses, hints and readings of limits."""

from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    FirewallRefused,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
)
from reconciler.exchanges.api_client import ApiRequest
from reconciler.exchanges.api_errors import ErrorKind, ErrorResponse
from reconciler.exchanges.bybit.api import BybitApi
from reconciler.exchanges.bybit.constants import (
    ACCOUNT_PATH,
    HISTORY_COST,
    HISTORY_PATH,
    PUBLIC_COST,
    REALTIME_COST,
    REALTIME_PATH,
    SYMBOLS_PATH,
)
from reconciler.exchanges.bybit.decoding import decode_symbols, decode_user_id
from reconciler.exchanges.bybit.raw_orders import OrderPage, RawOrder, decode_page
from reconciler.exchanges.http_client import HttpResponse
from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.resilience.limits import LimitReading
from reconciler.settings import Credentials
from tests.exchanges.bybit.documented import ORDER, a_page, an_answer, an_order

REQUEST = ApiRequest(path=REALTIME_PATH, cost=REALTIME_COST)
NOW_MS = 1684766282976
"""The `time` of every answer here."""


def an_api(**credentials: Any) -> BybitApi:
    keys = {"api_key": SecretStr("made-up-key"), "api_secret": SecretStr("made-up-secret")}
    return BybitApi("https://api.bybit.com/", Credentials(**(keys | credentials)))


def decode(
    body: bytes | dict[str, Any], *, status: int = 200, **headers: str
) -> OrderPage | ErrorResponse:
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = HttpResponse(status=status, headers=httpx.Headers(named), body=encoded)
    return an_api().decode(REQUEST, response, decode_page)


def error_of(code: int, message: str = "", **more: Any) -> ExchangeError:
    with pytest.raises(ExchangeError) as caught:
        decode(an_answer({}, code=code, message=message), **more)
    return caught.value


def orders_in(page: OrderPage | ErrorResponse) -> list[RawOrder | UnreadableOrder[str]]:
    assert isinstance(page, OrderPage)
    return list(page.orders)


def test_request_carries_the_signature_in_its_headers_and_no_secret_in_its_address() -> None:
    request = ApiRequest(
        path=HISTORY_PATH, cost=HISTORY_COST, parameters={"category": "spot", "cursor": "a:b&c"}
    )

    sent = an_api().signed(request, datetime(2026, 11, 28, tzinfo=UTC), None)

    assert sent.method == "GET"
    assert sent.url == "https://api.bybit.com/v5/order/history?category=spot&cursor=a%3Ab%26c"
    assert sent.headers["X-BAPI-TIMESTAMP"] == "1795824000000"
    assert set(sent.headers) == {
        "X-BAPI-API-KEY",
        "X-BAPI-TIMESTAMP",
        "X-BAPI-RECV-WINDOW",
        "X-BAPI-SIGN",
    }


def test_public_request_has_neither_key_nor_question_mark() -> None:
    sent = an_api().unsigned(ApiRequest(path=SYMBOLS_PATH, cost=PUBLIC_COST))

    assert sent.url == "https://api.bybit.com/v5/market/instruments-info"
    assert dict(sent.headers) == {}


def test_page_has_its_orders_and_no_cursor_unless_it_is_full() -> None:
    page = decode(a_page(an_order(), cursor="page_token%3D39380%26"))

    [raw] = orders_in(page)
    assert isinstance(raw, RawOrder)
    assert raw.order_id == ORDER["orderId"]
    assert isinstance(page, OrderPage)
    assert page.next_cursor is None


def test_full_page_has_the_cursor_as_it_was_sent() -> None:
    orders = [an_order(orderId=str(10**18 + number)) for number in range(50)]

    page = decode(a_page(*orders, cursor="page_token%3D39380%26"))

    assert isinstance(page, OrderPage)
    assert page.next_cursor == "page_token%3D39380%26"


def test_one_unreadable_row_leaves_the_others_readable() -> None:
    broken = an_order(orderId="1321052653536515585", cumExecQty=7)

    good, bad = orders_in(decode(a_page(an_order(), broken)))

    assert isinstance(good, RawOrder)
    assert isinstance(bad, UnreadableOrder)
    assert (bad.symbol, bad.order_id) == ("ETHUSDT", "1321052653536515585")


@pytest.mark.parametrize("number", ["1321052653536515584", "9223372036854775807"])
def test_id_that_is_sent_as_a_number_keeps_its_digits(number: str) -> None:
    body = msgspec.json.encode(a_page(an_order(orderId="ID"))).replace(b'"ID"', number.encode())

    [raw] = orders_in(decode(body))

    assert raw.order_id == number
    assert isinstance(raw, UnreadableOrder)


def test_missing_and_additional_fields_do_no_harm() -> None:
    bare = {name: ORDER[name] for name in ("symbol", "orderId", "orderStatus", "cumExecQty")}

    rows = orders_in(decode(a_page(bare, an_order(orderId="2", newField={"a": [1]}))))

    assert all(isinstance(raw, RawOrder) for raw in rows)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"retCode":0',
        b'{"retCode":"0","result":{}}',
        b'{"retCode":0,"result":null}',
        b'{"retCode":0,"result":{"category":"spot"}}',
        b'{"retCode":0,"result":{"category":"linear","list":[]}}',
        b'{"retCode":0,"result":{"category":"spot","list":{}}}',
        b'{"retCode":0,"retCode":0,"result":{"category":"spot","list":[]}}',
        b'{"retCode":0,"result":{"category":"spot","list":[],"list":[]}}',
        b'{"retCode":"10006","result":{"category":"spot","list":[]}}',
        b'{"result":{"category":"spot","list":[]}}',
        b'{"retCode":1e400,"result":{"category":"spot","list":[]}}',
    ],
    ids=repr,
)
def test_answer_that_is_no_page_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode(body)


def test_long_cursor_of_a_full_page_is_malformed() -> None:
    orders = [an_order(orderId=str(number)) for number in range(50)]

    with pytest.raises(Malformed, match="cursor"):
        decode(a_page(*orders, cursor="x" * 3000))


@pytest.mark.parametrize("code", [110001, 170213])
def test_order_that_does_not_exist_is_an_answer(code: int) -> None:
    answer = decode(an_answer({}, code=code, message="Order does not exist."))

    assert isinstance(answer, ErrorResponse)
    assert answer.kind is ErrorKind.ORDER_NOT_FOUND


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (10002, "invalid request, please check your server timestamp", ClockSkew),
        (10002, "The request time exceeds the time window range.", ClockSkew),
        (-1, "request expired: o@0, now[] diff[]", ClockSkew),
        (10002, "invalid request", Unavailable),
        (10000, "Server Timeout", Unavailable),
        (10016, "Server error.", Unavailable),
        (429, "The trading service is experiencing a high server load.", Unavailable),
        (10001, "Request parameter error.", RequestRejected),
        (10001, "params error: cursor invalid", RequestRejected),
        (110007, "Available balance is insufficient", RequestRejected),
        (987654, "a code that nobody knows", RequestRejected),
        (10003, "API key is invalid.", Refused),
        (10004, "Error sign", Refused),
        (10005, "Permission denied", Refused),
        (10007, "User authentication failed.", Refused),
        (10010, "Unmatched IP", Refused),
        (33004, "Your api key has expired", Refused),
        (10028, "The API can only be accessed by unified account users.", Refused),
    ],
)
def test_code_with_http_200_is_its_error(
    code: int, message: str, error: type[ExchangeError]
) -> None:
    raised = error_of(code, message)

    assert type(raised) is error
    assert f"code {code}" in str(raised)


@pytest.mark.parametrize(
    ("message", "parameter"),
    [
        ("params error: symbol invalid", "symbol"),
        ("Not supported symbols", "symbol"),
        ("params error: orderId invalid", "orderId"),
        ("Order ID is illegal.", "orderId"),
    ],
)
def test_wrong_parameter_that_comes_from_a_row_is_named(message: str, parameter: str) -> None:
    answer = decode(an_answer({}, code=10001, message=message))

    assert isinstance(answer, ErrorResponse)
    assert (answer.kind, answer.parameter) == (ErrorKind.BAD_PARAMETER, parameter)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Unavailable),
        (401, Refused),
        (403, FirewallRefused),
        (407, Unavailable),
        (413, Unavailable),
        (404, Unavailable),
        (429, RateLimited),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (302, Unavailable),
    ],
)
def test_http_status_is_its_error_also_if_the_body_has_a_page_of_orders(
    status: int, error: type[ExchangeError]
) -> None:
    for body in (b"<html>", msgspec.json.encode(a_page(an_order()))):
        with pytest.raises(ExchangeError) as caught:
            decode(body, status=status)
        assert type(caught.value) is error


@pytest.mark.parametrize(
    ("status", "error"), [(400, RequestRejected), (403, FirewallRefused), (500, Unavailable)]
)
def test_code_of_bybits_makes_a_bad_request_the_requests_fault(
    status: int, error: type[ExchangeError]
) -> None:
    assert type(error_of(10001, "params error", status=status)) is error


@pytest.mark.parametrize(
    "body", [b"", b"<html>Forbidden</html>", b'{"retCode":0}', b'{"retCode":10001}']
)
def test_403_without_the_words_of_the_ban_may_be_a_firewalls(body: bytes) -> None:
    with pytest.raises(FirewallRefused) as caught:
        decode(body, status=403)

    assert caught.value.retry_after_seconds == 600


def test_country_that_is_not_served_is_refused_with_a_hint() -> None:
    page = b"The Amazon CloudFront distribution is configured to block access from your country."

    with pytest.raises(Refused) as caught:
        decode(page, status=403)

    assert "EXCHANGE_BASE_URL" in caught.value.hint


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1),
        ({"X_Bapi_Limit_Reset_Timestamp": str(NOW_MS + 1500)}, 1.5),
        ({"X_Bapi_Limit_Reset_Timestamp": str(NOW_MS)}, 1),
        ({"X_Bapi_Limit_Reset_Timestamp": str(NOW_MS - 5)}, 1),
        ({"X_Bapi_Limit_Reset_Timestamp": "soon"}, 1),
        ({"X_Bapi_Limit_Reset_Timestamp": str(NOW_MS + 10**9)}, 3600),
        ({"Retry_After": "7"}, 7),
    ],
    ids=str,
)
def test_rate_limit_says_when_it_resets(headers: dict[str, str], seconds: float) -> None:
    error = error_of(10006, "Too many visits!", **headers)

    assert isinstance(error, RateLimited)
    assert error.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 600), ({"Retry_After": "3"}, 3)], ids=["as known", "as told"]
)
def test_ban_of_the_address_lasts_ten_minutes(headers: dict[str, str], seconds: float) -> None:
    with pytest.raises(RateLimited) as caught:
        decode(b"403, access too frequent", status=403, **headers)

    assert caught.value.retry_after_seconds == seconds


def reading_of(path: str = REALTIME_PATH, **headers: str) -> list[LimitReading]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = ApiRequest(path=path, cost=REALTIME_COST)
    return list(an_api().readings(request, httpx.Headers(named)))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (REALTIME_PATH, "order_realtime"),
        (HISTORY_PATH, "order_history"),
        (ACCOUNT_PATH, "user_query_api"),
    ],
)
def test_headers_correct_the_limit_of_the_path(path: str, name: str) -> None:
    [reading] = reading_of(path, X_Bapi_Limit="20", X_Bapi_Limit_Status="19")

    assert reading == LimitReading(name=name, remaining=19)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Bapi_Limit": "50"},
        {"X_Bapi_Limit_Status": "many"},
        {"X_Bapi_Limit": "50", "X_Bapi_Limit_Status": "-1"},
        {"X_Bapi_Limit_Status": "9" * 30},
    ],
    ids=str,
)
def test_absurd_headers_say_nothing(headers: dict[str, str]) -> None:
    assert reading_of(**headers) == []


def test_public_path_has_no_limit_of_its_own() -> None:
    assert reading_of(SYMBOLS_PATH, X_Bapi_Limit="50", X_Bapi_Limit_Status="1") == []


def test_time_is_read_from_nanoseconds() -> None:
    answer = an_answer({"timeSecond": "1688639403", "timeNano": "1688639403423213947"})

    assert an_api().decode_time(msgspec.json.encode(answer)) == 1688639403423


@pytest.mark.parametrize("text", ["", "-1", "1e9", "9" * 40])
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        an_api().decode_time(msgspec.json.encode(an_answer({"timeNano": text})))


@pytest.mark.parametrize(
    ("result", "user_id"),
    [
        ({"userID": 24617703}, 24617703),
        ({"userID": 1448939, "userIDInt64": "0"}, 1448939),
        ({"userID": 0, "userIDInt64": "9007199254740993"}, 9007199254740993),
        ({"userID": 0}, None),
        ({}, None),
    ],
    ids=str,
)
def test_user_id_is_the_identity(result: dict[str, Any], user_id: int | None) -> None:
    assert decode_user_id(msgspec.json.encode(an_answer(result))) == user_id


def test_symbols_are_read_page_by_page() -> None:
    page = decode_symbols(
        msgspec.json.encode(a_page({"symbol": "BTCUSDT"}, {"symbol": "1INCHUSDT"}, cursor="next"))
    )

    assert page.symbols == {"BTCUSDT", "1INCHUSDT"}
    assert page.next_cursor == "next"


def test_error_repeats_no_secret() -> None:
    text = "origin_string[1700000000000made-up-key5000category=spot] X-BAPI-SIGN=deadbeef"

    error = error_of(10004, text)

    assert "deadbeef" not in str(error)
    assert "made-up-secret" not in str(error)
