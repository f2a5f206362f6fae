"""Error answers in every form that the exchange has, and what becomes of each."""

import json

import httpx
import pytest

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
from reconciler.exchanges.coinbase.api import CoinbaseApi
from reconciler.exchanges.coinbase.constants import (
    ERROR_WORDS,
    NO_SUCH_ORDER,
    ONE_PRIVATE,
    ONE_PUBLIC,
    ORDER_PATH,
    TIME_PATH,
    VENUE,
)
from reconciler.exchanges.coinbase.raw_orders import decode_page
from reconciler.exchanges.http_client import HttpResponse
from reconciler.resilience.limits import LimitReading

from .samples import NOW, PEM, SIGNED

API = CoinbaseApi("https://api.coinbase.com", SIGNED, VENUE.key_form)
REQUEST = ApiRequest(path=ORDER_PATH, cost=ONE_PRIVATE)
PAGE = b"<html>\n  <head>\n    <title>Coinbase</title>\n"


def error(word: str, text: str) -> bytes:
    return json.dumps({"error": word, "error_details": text, "message": text}).encode()


def decoded(status: int, body: bytes, **headers: str) -> object:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return API.decode(REQUEST, HttpResponse(status=status, headers=named, body=body), decode_page)


@pytest.mark.parametrize("word", ["NOT_FOUND", "unknown"])
def test_404_about_an_order_says_that_it_is_not_found(word: str) -> None:
    response = decoded(404, error(word, "order with this orderID was not found"))

    assert isinstance(response, ErrorResponse)
    assert response.kind is ErrorKind.ORDER_NOT_FOUND


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, error("NOT_FOUND", "portfolio not found")),
        (404, error("NOT_FOUND", "order not found in portfolio")),
        (404, error("NOT_FOUND", "")),
        (404, b'{"error":"NOT_FOUND"}'),
        (404, b'{"errors":[{"id":"not_found","message":"Not found"}]}'),
        (400, error("NOT_FOUND", NO_SUCH_ORDER)),
        (410, error("NOT_FOUND", NO_SUCH_ORDER)),
    ],
)
def test_what_is_not_about_an_order_is_never_not_found(status: int, body: bytes) -> None:
    with pytest.raises(RequestRejected):
        decoded(status, body)


@pytest.mark.parametrize("body", [b"404 page not found\n", PAGE, b"", b"[]"])
def test_404_of_another_server_says_nothing_about_the_order(body: bytes) -> None:
    with pytest.raises(Unavailable, match="EXCHANGE_BASE_URL"):
        decoded(404, body)


CASES: dict[str, tuple[int, bytes, type[ExchangeError]]] = {
    "unauthorized, in plain text": (401, b"Unauthorized\n", ClockSkew),
    "missing scopes": (403, error("PERMISSION_DENIED", "Missing required scopes"), Refused),
    "missing scopes, as before": (403, error("unknown", "Missing required scopes"), Refused),
    "a firewall's page": (403, PAGE, FirewallRefused),
    "too many requests, a page": (429, PAGE, RateLimited),
    "too many requests": (429, error("RESOURCE_EXHAUSTED", "too many requests"), RateLimited),
    "too many requests, version 2": (
        429,
        b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}',
        RateLimited,
    ),
    "a wrong argument": (400, error("INVALID_ARGUMENT", "invalid cursor"), RequestRejected),
    "a bad request of a proxy": (400, PAGE, Unavailable),
    "a proxy that wants a password": (407, PAGE, Unavailable),
    "a proxy that finds it too large": (413, b"", Unavailable),
    "a long address": (414, b"", RequestRejected),
    "a word that nobody knows": (400, error("SURPRISE", "what?"), RequestRejected),
    "a restricted place": (451, b"", Refused),
    "a server error": (500, error("INTERNAL", ""), Unavailable),
    "a server error that names an order": (500, error("NOT_FOUND", NO_SUCH_ORDER), Unavailable),
    "a bad gateway": (502, PAGE, Unavailable),
    "maintenance": (503, PAGE, Unavailable),
    "a timeout before the API": (524, b"error code: 524", Unavailable),
    "a page instead of an answer": (200, PAGE, Malformed),
    "an error instead of an answer": (200, error("unknown", NO_SUCH_ORDER), Malformed),
    "nothing instead of an answer": (200, b"", Malformed),
}


@pytest.mark.parametrize(("status", "body", "expected"), CASES.values(), ids=CASES.keys())
def test_error_becomes_the_class_that_the_caller_acts_on(
    status: int, body: bytes, expected: type[ExchangeError]
) -> None:
    with pytest.raises(expected) as caught:
        decoded(status, body)

    assert type(caught.value) is expected
    assert PEM.splitlines()[1] not in str(caught.value)


def test_refused_token_does_not_make_people_look_for_another_address() -> None:
    with pytest.raises(ClockSkew) as caught:
        decoded(401, b"Unauthorized\n")

    assert str(caught.value) == f"{ORDER_PATH}: HTTP 401, Unauthorized"


@pytest.mark.parametrize("word", ERROR_WORDS)
def test_every_known_word_is_no_evidence_about_an_order(word: str) -> None:
    with pytest.raises(ExchangeError):
        decoded(400, error(word, "made up"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, 1.0), ({"Retry_After": "7"}, 7.0), ({"Retry_After": "99999"}, 3600.0)],
)
def test_rate_limit_pauses_for_as_long_as_the_exchange_says(
    headers: dict[str, str], seconds: float
) -> None:
    with pytest.raises(RateLimited) as caught:
        decoded(429, PAGE, **headers)

    assert caught.value.retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"x-ratelimit-limit": "30", "x-ratelimit-remaining": "12", "x-ratelimit-reset": "1"},
            [LimitReading(name="private", remaining=12, reset_seconds=1)],
        ),
        (
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795478400"},
            [LimitReading(name="private", remaining=0)],
        ),
        (
            {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9"},
            [LimitReading(name="private", remaining=27)],
        ),
        (
            {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "50"},
            [LimitReading(name="private", remaining=15)],
        ),
        (
            {"x-ratelimit-limit": "0", "x-ratelimit-remaining": "0"},
            [LimitReading(name="private", remaining=0)],
        ),
        ({"x-ratelimit-remaining": "lots"}, []),
        ({}, []),
    ],
)
def test_headers_tell_what_is_left_of_the_limit(
    headers: dict[str, str], expected: list[LimitReading]
) -> None:
    assert list(API.readings(REQUEST, httpx.Headers(headers))) == expected


def test_request_for_the_time_takes_from_the_public_limit_and_has_no_token() -> None:
    sent = API.unsigned(API.time_request)

    assert API.time_request.cost == ONE_PUBLIC
    assert sent.url == f"https://api.coinbase.com{TIME_PATH}"
    assert "Authorization" not in sent.headers


def test_ids_are_sent_as_one_parameter_several_times() -> None:
    request = ApiRequest(path="/p", cost=ONE_PRIVATE, parameters={"order_ids": ("a", "b")})

    sent = API.signed(request, NOW, None)

    assert sent.url == "https://api.coinbase.com/p?order_ids=a&order_ids=b"
    assert sent.headers["Authorization"].startswith("Bearer ey")
