"""Coinbase's dialect over HTTP: tokens, lists and their pages, limits, errors."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.paper.dialects.coinbase import DIALECT
from reconciler.paper.dialects.coinbase.spelling import STATUS_WORDS, order_number, order_uuid
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.new_keys import NewKey, new_p256_key

PATH = "/api/v3/brokerage"
BATCH = "/orders/historical/batch"


def token(
    key: NewKey,
    client: httpx.Client,
    path: str,
    *,
    claims: Mapping[str, object] | None = None,
    header: Mapping[str, object] | None = None,
    method: str = "GET",
) -> str:
    """Make a token with PyJWT, as the venue's SDK does."""
    now = int(time.time())
    host = client.base_url.netloc.decode()
    return jwt.encode(
        {
            "sub": key.api_key,
            "iss": "cdp",
            "nbf": now,
            "exp": now + 120,
            "uri": f"{method} {host}{PATH}{path}",
            **(claims or {}),
        },
        key.api_secret,
        algorithm="ES256",
        headers={"kid": key.api_key, "nonce": "0123456789abcdef", **(header or {})},
    )


def get(
    client: httpx.Client, key: NewKey, path: str, parameters: Mapping[str, Any] | None = None
) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {token(key, client, path)}"}
    return client.get(path, params=parameters, headers=bearer)


def listed(client: httpx.Client, key: NewKey, **parameters: Any) -> dict[str, Any]:
    answered = get(client, key, BATCH, parameters).raise_for_status()
    page: dict[str, Any] = answered.json()
    return page


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_order_id_is_a_uuid_from_which_the_number_is_read(number: int) -> None:
    spelled = order_uuid(number)

    assert order_number(spelled) == number
    assert order_number(spelled.upper()) == number


@given(st.uuids(version=4))
def test_uuid_that_is_no_order_of_ours_has_no_number(other: object) -> None:
    number = order_number(str(other))

    assert number is None or order_uuid(number) == str(other)


@pytest.mark.parametrize("text", ["", "17", "0000-000000-000000", "x" * 36])
def test_text_that_is_no_uuid_has_no_number(text: str) -> None:
    assert order_number(text) is None


def test_request_with_a_token_made_for_it_is_answered(client: httpx.Client, key: NewKey) -> None:
    answered = get(client, key, "/key_permissions")

    assert answered.status_code == 200
    assert answered.json()["can_view"] is True


CLAIMS: dict[str, Mapping[str, object]] = {
    "another path": {"uri": f"GET 127.0.0.1{PATH}/accounts"},
    "another method": {"uri": "POST x"},
    "no path": {"uri": None},
    "an expired one": {"nbf": 1000, "exp": 1120},
    "one of the future": {"nbf": 4_000_000_000, "exp": 4_000_000_100},
    "one that lives too long": {"exp": int(time.time()) + 5000},
    "one that never expires": {"exp": None},
    "another owner": {"sub": "organizations/x/apiKeys/y"},
    "another issuer": {"iss": "somebody"},
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS.keys())
def test_token_with_a_wrong_claim_is_refused(
    client: httpx.Client, key: NewKey, claims: Mapping[str, object]
) -> None:
    sent = token(key, client, "/key_permissions", claims=claims)

    answered = client.get("/key_permissions", headers={"Authorization": f"Bearer {sent}"})

    assert (answered.status_code, answered.text) == (401, "Unauthorized\n")


@pytest.mark.parametrize("header", [{"kid": "another"}, {"nonce": ""}])
def test_token_with_a_wrong_header_is_refused(
    client: httpx.Client, key: NewKey, header: Mapping[str, object]
) -> None:
    sent = token(key, client, "/key_permissions", header=header)

    answered = client.get("/key_permissions", headers={"Authorization": f"Bearer {sent}"})

    assert answered.status_code == 401


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer x.y.z", "Basic eHh4"])
def test_request_without_a_token_is_refused(
    client: httpx.Client, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    assert client.get("/key_permissions", headers=headers).status_code == 401


def test_token_of_another_key_is_refused(client: httpx.Client, key: NewKey) -> None:
    forged = new_p256_key(key.api_key)

    assert get(client, forged, "/key_permissions").status_code == 401


def test_token_is_good_for_any_query_of_its_path(client: httpx.Client, key: NewKey) -> None:
    assert listed(client, key, limit=1)["has_next"] is True


def test_time_and_products_need_no_token(client: httpx.Client) -> None:
    assert int(client.get("/time").json()["epochMillis"]) > 0
    assert client.get("/market/products").json()["num_products"] == "6"


def test_order_is_found_by_its_id(
    client: httpx.Client, key: NewKey, exchange: PaperExchange
) -> None:
    placed = next(iter(exchange.orders))
    spelled = DIALECT.order_id(placed.order_id)

    answered = get(client, key, f"/orders/historical/{spelled}")

    assert answered.json()["order"]["order_id"] == spelled
    assert answered.json()["order"]["client_order_id"] == placed.client_order_id


def test_order_that_does_not_exist_is_named_in_the_venues_words(
    client: httpx.Client, key: NewKey
) -> None:
    answered = get(client, key, f"/orders/historical/{DIALECT.order_id(1)}")

    assert answered.status_code == 404
    assert answered.json()["error"] == "NOT_FOUND"
    assert answered.json()["error_details"] == "order with this orderID was not found"


def test_pages_follow_each_other_and_have_every_order_once(
    client: httpx.Client, key: NewKey, exchange: PaperExchange
) -> None:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = listed(client, key, limit=37, cursor=cursor)
        rows += page["orders"]
        cursor = page["cursor"]
        if not page["has_next"]:
            break

    assert cursor == ""
    assert len(rows) == len({row["order_id"] for row in rows}) == len(list(exchange.orders))
    times = [row["created_time"] for row in rows]
    assert times == sorted(times, reverse=True)


def test_list_of_ids_has_these_and_no_others(
    client: httpx.Client, key: NewKey, exchange: PaperExchange
) -> None:
    ids = {DIALECT.order_id(order.order_id) for order in list(exchange.orders)[:3]}

    page = listed(client, key, order_ids=[*ids, DIALECT.order_id(1)])

    assert {row["order_id"] for row in page["orders"]} == ids
    assert page["has_next"] is False


def test_list_of_products_ignores_the_singular_in_silence(
    client: httpx.Client, key: NewKey, exchange: PaperExchange
) -> None:
    of_one = listed(client, key, product_ids=["BTC-USDT"])["orders"]
    ignored = listed(client, key, product_id="BTC-USDT")["orders"]

    assert {row["product_id"] for row in of_one} == {"BTC-USDT"}
    assert len(ignored) == len(list(exchange.orders))


def test_list_of_a_status_has_only_that(client: httpx.Client, key: NewKey) -> None:
    for words in ("OPEN", "FILLED", "CANCELLED,EXPIRED"):
        rows = listed(client, key, order_status=words)["orders"]
        assert rows
        assert {row["status"] for row in rows} <= set(words.split(","))


@pytest.mark.parametrize(
    "parameters",
    [
        {"order_status": "DONE"},
        {"order_status": ["OPEN", "FILLED"]},
        {"limit": 0},
        {"limit": 1001},
        {"limit": "many"},
        {"cursor": "x"},
        {"start_date": "yesterday"},
    ],
)
def test_wrong_parameter_is_named(
    client: httpx.Client, key: NewKey, parameters: Mapping[str, Any]
) -> None:
    answered = get(client, key, BATCH, parameters)

    assert answered.status_code == 400
    assert answered.json()["error"] == "INVALID_ARGUMENT"


def test_address_that_is_too_long_is_refused(client: httpx.Client, key: NewKey) -> None:
    ids = [DIALECT.order_id(number) for number in range(200)]

    assert get(client, key, BATCH, {"order_ids": ids}).status_code == 414


def test_limits_are_counted_and_told(
    client: httpx.Client, key: NewKey, exchange: PaperExchange
) -> None:
    exchange.meter = DIALECT.new_meter(3)
    stands_still = round(time.time() * 1000)
    exchange.clock_ms = lambda: stands_still

    answers = [get(client, key, "/key_permissions") for _ in range(4)]

    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert [one.headers["x-ratelimit-remaining"] for one in answers[:3]] == ["2", "1", "0"]
    assert answers[-1].headers["content-type"].startswith("text/html")


def test_paths_that_do_not_exist_do_not_speak_of_an_order(client: httpx.Client) -> None:
    answered = client.get("/no/such/path")

    assert answered.status_code == 404
    assert "order with" not in answered.text


@pytest.mark.parametrize("rate", sorted(DIALECT.wordless_faults))
def test_fault_without_words_changes_nothing(
    client: httpx.Client, key: NewKey, exchange: PaperExchange, rate: str
) -> None:
    exchange.faults.set(msgspec.convert({rate: 1}, FaultRule), exchange.clock_ms())

    placed = next(iter(exchange.orders))
    answered = get(client, key, f"/orders/historical/{DIALECT.order_id(placed.order_id)}")

    assert answered.status_code == 200


def test_every_status_that_an_order_can_show_may_be_asked_for() -> None:
    assert {
        "PENDING",
        "OPEN",
        "FILLED",
        "CANCELLED",
        "EXPIRED",
        "FAILED",
        "UNKNOWN_ORDER_STATUS",
        "QUEUED",
        "CANCEL_QUEUED",
        "EDIT_QUEUED",
    } == STATUS_WORDS
