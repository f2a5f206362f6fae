"""The paper exchange speaks Bybit's dialect as the documentation has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.domain.status import Status
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.bybit.dialect import BybitDialect
from reconciler.paper.dialects.bybit.routes import BybitRoutes
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.lifecycle import ExchangeStatus, OrderState
from reconciler.paper.listing import OrderSpec, build_order
from reconciler.paper.orders import PaperOrder
from reconciler.paper.public_key import PublicKey
from reconciler.paper.server import new_exchange, serve_in_thread
from tests.paper.bybit.bybit_client import KEY, SECRET, WINDOW, BybitClient
from tests.paper.bybit.conftest import NOW_MS

REALTIME, HISTORY = "/v5/order/realtime", "/v5/order/history"
ACCOUNT, TIME = "/v5/user/query-api", "/v5/market/time"
SYMBOLS = "/v5/market/instruments-info"
DAY_MS = 24 * 3600 * 1000

DOCUMENTED_WORDS = {
    *("New", "PartiallyFilled", "Untriggered", "Rejected", "PartiallyFilledCanceled"),
    *("Filled", "Cancelled", "Triggered", "Deactivated"),
}
"""enum.mdx, "orderStatus", of github.com/bybit-exchange/docs, read 2026-11-28."""


def spelled(exchange: PaperExchange, orders: list[PaperOrder]) -> list[str]:
    return [exchange.dialect.order_id(order.order_id) for order in orders]


def latest_first(exchange: PaperExchange, *, is_open: bool) -> list[PaperOrder]:
    chosen = [order for order in exchange.orders if order.state.is_open is is_open]
    return sorted(chosen, key=lambda order: (order.created_ms, order.order_id), reverse=True)


def place(exchange: PaperExchange, order_id: int, **spec: Any) -> str:
    given = OrderSpec(symbol="BTCUSDT", order_id=order_id, **spec)
    exchange.orders.put(build_order(given, exchange.clock_ms()))
    return exchange.dialect.order_id(order_id)


@contextmanager
def served_by(dialect: BybitDialect) -> Iterator[BybitClient]:
    """Serve an exchange that forgets, or remembers, other orders than the default one."""
    access = AccessPolicy(api_key=KEY, api_secret=SECRET)
    exchange = replace(new_exchange("bybit", access=access), dialect=dialect)
    exchange.clock_ms = lambda: NOW_MS
    with serve_in_thread(exchange) as url, httpx.Client(base_url=url, trust_env=False) as http:
        yield BybitClient(exchange=exchange, http=http)


# Access


@pytest.mark.parametrize("path", [REALTIME, HISTORY, ACCOUNT])
@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({}, 0),
        ({"secret": "another"}, 10004),
        ({"key": "another"}, 10003),
        ({"without": "X-BAPI-SIGN"}, 10001),
        ({"without": "X-BAPI-TIMESTAMP"}, 10001),
        ({"without": "X-BAPI-RECV-WINDOW"}, 0),
        ({"ahead_ms": 999}, 0),
        ({"ahead_ms": 1000}, 10002),
        ({"ahead_ms": -WINDOW}, 0),
        ({"ahead_ms": -WINDOW - 1}, 10002),
        ({"ahead_ms": -WINDOW - 1, "window": 20_000}, 0),
    ],
    ids=str,
)
def test_private_request_needs_key_time_and_signature(
    bybit: BybitClient, path: str, how: dict[str, Any], code: int
) -> None:
    answer = bybit.send(path, **how)

    assert answer.status_code == 200
    assert answer.json()["retCode"] == code


def test_request_without_a_key_gets_http_401(bybit: BybitClient) -> None:
    assert bybit.send(REALTIME, without="X-BAPI-API-KEY").status_code == 401


@pytest.mark.parametrize("path", [TIME, f"{SYMBOLS}?category=spot"])
def test_public_request_needs_no_key(bybit: BybitClient, path: str) -> None:
    assert bybit.http.get(path).json()["retCode"] == 0


def test_rsa_key_is_verified(bybit: BybitClient) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    bybit.exchange.access = AccessPolicy(api_key=KEY, public_key=PublicKey.read(pem))
    signed = private.sign(
        f"{NOW_MS}{KEY}5000category=spot".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    headers = {"X-BAPI-API-KEY": KEY, "X-BAPI-TIMESTAMP": str(NOW_MS)}

    for signature, code in ((signed, 0), (signed[::-1], 10004)):
        sent = headers | {"X-BAPI-SIGN": base64_of(signature)}
        assert bybit.http.get(f"{REALTIME}?category=spot", headers=sent).json()["retCode"] == code


def base64_of(signature: bytes) -> str:
    import base64  # noqa: PLC0415 - used here only

    return base64.b64encode(signature).decode()


@pytest.mark.parametrize(
    "access",
    [
        AccessPolicy(jwt_secret="made-up"),
        AccessPolicy(api_key=KEY, api_secret=SECRET, passphrase="made-up"),
    ],
    ids=["token", "passphrase"],
)
def test_credentials_that_bybit_does_not_have_are_refused_at_start(access: AccessPolicy) -> None:
    with pytest.raises(ValueError, match="the dialect bybit"):
        new_exchange("bybit", access=access)


def test_new_key_is_accepted(bybit: BybitClient) -> None:
    key = bybit.exchange.dialect.new_key()
    bybit.exchange.access = key.access

    assert bybit.code(REALTIME, key=key.api_key, secret=key.api_secret) == 0


# Orders


def test_open_orders_come_in_pages_the_latest_created_first(bybit: BybitClient) -> None:
    expected = spelled(bybit.exchange, latest_first(bybit.exchange, is_open=True))

    first = bybit.ids(REALTIME)
    walked = [order["orderId"] for order in bybit.walk(REALTIME, limit=7)]

    assert len(expected) > 50
    assert first == expected[:20]
    assert walked == expected


def test_cursor_is_understood_as_it_came_and_encoded_again(bybit: BybitClient) -> None:
    page = bybit.result(REALTIME, limit=2)
    cursor = page["nextPageCursor"]
    expected = spelled(bybit.exchange, latest_first(bybit.exchange, is_open=True))[2:4]
    bybit.exchange.access = AccessPolicy()

    for sent in (cursor, cursor.replace("%", "%25")):
        answer = bybit.http.get(f"{REALTIME}?category=spot&limit=2&cursor={sent}").json()
        assert [order["orderId"] for order in answer["result"]["list"]] == expected


def test_order_that_ends_between_two_pages_shifts_no_other(bybit: BybitClient) -> None:
    expected = latest_first(bybit.exchange, is_open=True)
    page = bybit.result(REALTIME, limit=5)
    bybit.exchange.orders.remove(expected[1].symbol, expected[1].order_id)

    second = bybit.ids(REALTIME, limit=5, cursor=page["nextPageCursor"])

    assert second == spelled(bybit.exchange, expected[5:10])


@pytest.mark.parametrize("path", [REALTIME, HISTORY])
@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 51},
        {"limit": "many"},
        {"cursor": "made-up"},
        {"symbol": "NOSUCHUSDT"},
        {"symbol": "btcusdt"},
        {"category": ""},
        {"category": "forex"},
    ],
    ids=str,
)
def test_wrong_parameter_is_refused(
    bybit: BybitClient, path: str, parameters: dict[str, Any]
) -> None:
    assert bybit.code(path, **parameters) == 10001


@pytest.mark.parametrize("path", [REALTIME, HISTORY])
def test_list_may_be_of_one_symbol(bybit: BybitClient, path: str) -> None:
    listed = bybit.walk(path, symbol="ETHUSDT", limit=50)

    assert listed
    assert {order["symbol"] for order in listed} == {"ETHUSDT"}


def test_recently_ended_orders_are_the_500_that_ended_last(bybit: BybitClient) -> None:
    ended = latest_first(bybit.exchange, is_open=False)
    latest = sorted(ended, key=lambda order: order.updated_ms, reverse=True)[:500]

    listed = bybit.walk(REALTIME, openOnly=1, limit=50)

    assert len(ended) > 500
    assert {order["orderId"] for order in listed} == set(spelled(bybit.exchange, latest))


def test_look_up_finds_open_and_recently_ended_orders(bybit: BybitClient) -> None:
    opened, ended = (latest_first(bybit.exchange, is_open=is_open) for is_open in (True, False))
    oldest = min(ended, key=lambda order: order.updated_ms)
    newest = max(ended, key=lambda order: order.updated_ms)

    for order, is_found in ((opened[-1], True), (newest, True), (oldest, False)):
        [order_id] = spelled(bybit.exchange, [order])
        assert bybit.ids(REALTIME, orderId=order_id) == [order_id] * is_found
        assert bybit.ids(HISTORY, orderId=order_id) == [order_id] * (not order.state.is_open)


def test_restart_of_bybit_empties_the_list_of_recently_ended_orders() -> None:
    with served_by(BybitDialect(behavior=BybitRoutes(recently_ended=0))) as bybit:
        opened = place(bybit.exchange, 1)
        ended = place(bybit.exchange, 2, status="CANCELED")

        assert bybit.ids(REALTIME, openOnly=1) == []
        assert bybit.ids(REALTIME, orderId=ended) == []
        assert bybit.ids(REALTIME, orderId=opened) == [opened]
        assert bybit.ids(HISTORY, orderId=ended) == [ended]


@pytest.mark.parametrize("order_id", ["1", "x", "9" * 19, "1000000000000000001"])
@pytest.mark.parametrize("path", [REALTIME, HISTORY])
def test_unknown_order_is_an_empty_list(bybit: BybitClient, path: str, order_id: str) -> None:
    assert bybit.ids(path, orderId=order_id) == []


def test_look_up_ignores_the_symbol_and_finds_client_ids(bybit: BybitClient) -> None:
    order_id = place(bybit.exchange, 5, client_order_id="mine")

    assert bybit.ids(REALTIME, orderId=order_id, symbol="ETHUSDT") == [order_id]
    assert bybit.ids(REALTIME, orderLinkId="mine") == [order_id]
    assert bybit.ids(REALTIME, orderLinkId="another") == []


def test_history_covers_seven_days_unless_it_is_asked_otherwise(bybit: BybitClient) -> None:
    bybit.exchange.orders = type(bybit.exchange.orders)()
    young, old = NOW_MS - DAY_MS, NOW_MS - 9 * DAY_MS
    recent = place(bybit.exchange, 1, status="FILLED", executed_qty="1", created_at=young)
    older = place(bybit.exchange, 2, status="FILLED", executed_qty="1", created_at=old)

    assert bybit.ids(HISTORY) == [recent]
    assert bybit.ids(HISTORY, startTime=old) == [older]
    assert bybit.ids(HISTORY, startTime=old + 2 * DAY_MS) == [recent]
    assert bybit.ids(HISTORY, endTime=old + DAY_MS) == [older]
    assert bybit.ids(HISTORY, startTime=old, endTime=old + 1) == [older]
    assert bybit.ids(HISTORY, orderId=older) == [older]
    assert bybit.code(HISTORY, startTime=old, endTime=old + 7 * DAY_MS + 1) == 10001


def test_history_selects_by_final_status_only(bybit: BybitClient) -> None:
    listed = bybit.walk(HISTORY, orderStatus="PartiallyFilledCanceled", limit=50)

    assert {order["orderStatus"] for order in listed} == {"PartiallyFilledCanceled"}
    assert bybit.code(HISTORY, orderStatus="New") == 181017


def test_unfilled_orders_are_forgotten_after_a_day_and_fills_after_two_years() -> None:
    with served_by(BybitDialect(behavior=BybitRoutes(forgets=True, recently_ended=0))) as bybit:
        at = {hours: NOW_MS - hours * 3600 * 1000 for hours in (23, 25)}
        kept = [
            place(bybit.exchange, 1, status="CANCELED", created_at=at[23]),
            place(bybit.exchange, 2, status="FILLED", executed_qty="1", created_at=at[25]),
            place(bybit.exchange, 3, status="CANCELED", executed_qty="0.5", created_at=at[25]),
        ]
        forgotten = [
            place(bybit.exchange, 4, status="CANCELED", created_at=at[25]),
            place(bybit.exchange, 5, status="REJECTED", created_at=at[25]),
            place(
                bybit.exchange,
                6,
                status="FILLED",
                executed_qty="1",
                created_at=NOW_MS - 731 * DAY_MS,
            ),
        ]

        assert sorted(bybit.ids(HISTORY)) == kept
        for order_id in kept:
            assert bybit.ids(HISTORY, orderId=order_id) == [order_id]
        for order_id in forgotten:
            assert bybit.ids(HISTORY, orderId=order_id) == []


def test_order_is_shown_with_the_fields_that_spot_has(bybit: BybitClient) -> None:
    order_id = place(
        bybit.exchange,
        7,
        qty="2",
        price="100.5",
        status="PARTIALLY_FILLED",
        executed_qty="0.3",
        quote_qty="30.1",
        client_order_id="mine",
        side="SELL",
    )

    [order] = bybit.result(REALTIME, orderId=order_id)["list"]

    shown = {
        "orderId": "1000000000000000007",
        "orderLinkId": "mine",
        "symbol": "BTCUSDT",
        "price": "100.5",
        "qty": "2",
        "side": "Sell",
        "orderStatus": "PartiallyFilled",
        "avgPrice": "100.3333333333333333333333333",
        "leavesQty": "1.7",
        "leavesValue": "170.85",
        "cumExecQty": "0.3",
        "cumExecValue": "30.1",
        "orderType": "Limit",
        "createdTime": str(NOW_MS),
        "updatedTime": str(NOW_MS),
    }
    assert {name: order[name] for name in shown} == shown
    assert not {"tpslMode", "createType"} & order.keys()  # "Spot does not have this field"


@pytest.mark.parametrize("status", ExchangeStatus)
@pytest.mark.parametrize("executed_e8", [0, 5 * 10**7])
def test_every_status_has_a_documented_word(status: ExchangeStatus, executed_e8: int) -> None:
    state = OrderState(exchange_status=status, executed_e8=executed_e8, quote_e8=executed_e8)
    dialect = BybitDialect()

    row_status = dialect.row_status(state)

    assert dialect.word(state) in DOCUMENTED_WORDS
    assert row_status is not None
    assert row_status.is_terminal is not state.is_open
    assert executed_e8 == 0 or row_status in {Status.PARTIAL, Status.FILLED, Status.CANCELED}


def test_word_that_was_set_by_hand_is_shown_as_it_is(bybit: BybitClient) -> None:
    order_id = place(bybit.exchange, 8, status="Hibernating")

    [order] = bybit.result(REALTIME, orderId=order_id)["list"]

    assert order["orderStatus"] == "Hibernating"
    assert BybitDialect().row_status(bybit.exchange.orders.find(8).state) is None  # type: ignore[union-attr]  # placed above


def test_ids_are_a_bijection() -> None:
    dialect = BybitDialect()

    for number in (0, 1, 2**53 + 1, 10**17):
        assert len(dialect.order_id(number)) == 19
        assert dialect.number(dialect.order_id(number)) == number


# Other routes


def test_time_is_in_seconds_and_nanoseconds(bybit: BybitClient) -> None:
    answer = bybit.http.get(TIME).json()

    assert answer["result"] == {"timeSecond": "1795478400", "timeNano": "1795478400000000000"}
    assert answer["time"] == NOW_MS


def test_symbols_are_those_of_spot(bybit: BybitClient) -> None:
    spot = bybit.http.get(SYMBOLS, params={"category": "spot"}).json()["result"]
    one = bybit.http.get(SYMBOLS, params={"category": "spot", "symbol": "BTCUSDT"}).json()
    linear = bybit.http.get(SYMBOLS, params={"category": "linear"}).json()["result"]

    assert {listed["symbol"] for listed in spot["list"]} == set(bybit.exchange.orders.symbols())
    assert spot["nextPageCursor"] == ""
    assert [listed["baseCoin"] for listed in one["result"]["list"]] == ["BTC"]
    assert linear["list"] == []


def test_key_names_its_user(bybit: BybitClient) -> None:
    result = bybit.result(ACCOUNT)

    assert (result["userID"], result["apiKey"], result["readOnly"]) == (8900, KEY, 1)


def test_unknown_path_is_http_404(bybit: BybitClient) -> None:
    assert bybit.http.get("/v5/order/nothing").status_code == 404


# Limits and faults


def test_headers_tell_what_is_left_of_the_path_s_limit(bybit: BybitClient) -> None:
    bybit.exchange.meter = bybit.exchange.dialect.new_meter()

    headers = [bybit.send(path).headers for path in (REALTIME, REALTIME, HISTORY, ACCOUNT)]

    assert [one["X-Bapi-Limit"] for one in headers] == ["50", "50", "50", "10"]
    assert [one["X-Bapi-Limit-Status"] for one in headers] == ["49", "48", "49", "9"]
    assert {one["X-Bapi-Limit-Reset-Timestamp"] for one in headers} == {str(NOW_MS)}
    assert "X-Bapi-Limit" not in bybit.http.get(TIME).headers


def test_the_51st_request_of_a_second_is_refused_until_the_limit_resets(
    bybit: BybitClient,
) -> None:
    bybit.exchange.meter = bybit.exchange.dialect.new_meter()
    for _ in range(50):
        assert bybit.code(REALTIME) == 0

    refused = bybit.send(REALTIME)

    assert refused.status_code == 200
    assert refused.json()["retCode"] == 10006
    assert refused.headers["X-Bapi-Limit-Status"] == "0"
    assert refused.headers["X-Bapi-Limit-Reset-Timestamp"] == str(NOW_MS + 1000)
    assert bybit.code(HISTORY) == 0
    bybit.exchange.clock_ms = lambda: NOW_MS + 1000
    assert bybit.code(REALTIME) == 0


def test_too_many_requests_from_an_address_are_banned_for_ten_minutes(bybit: BybitClient) -> None:
    bybit.exchange.meter = bybit.exchange.dialect.new_meter()
    for _ in range(600):
        assert bybit.http.get(TIME).status_code == 200

    assert bybit.http.get(TIME).status_code == 403
    for later_ms, status in ((599_999, 403), (600_000, 200)):
        bybit.exchange.clock_ms = lambda later_ms=later_ms: NOW_MS + later_ms  # type: ignore[misc]  # its default binds the loop's value
        assert bybit.http.get(TIME).status_code == status


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [
        (FaultRule(rate_limit_rate=1, retry_after_seconds=2), 200, 10006),
        (FaultRule(ban_rate=1, ban_seconds=600), 403, None),
        (FaultRule(maintenance_rate=1), 503, None),
        (FaultRule(bad_key_rate=1), 200, 10003),
        (FaultRule(refusal_rate=1, refusal_status=400, refusal_code=10001), 400, 10001),
        (FaultRule(firewall_rate=1), 403, None),
    ],
    ids=["rate limit", "ban", "maintenance", "bad key", "refusal", "firewall"],
)
def test_fault_is_worded_as_bybit_words_it(
    bybit: BybitClient, rule: FaultRule, status: int, code: int | None
) -> None:
    bybit.exchange.faults.set(rule, NOW_MS)

    answer = bybit.send(REALTIME)

    assert answer.status_code == status
    if code is None:
        assert answer.headers["Content-Type"].startswith("text/html")
    else:
        assert answer.json()["retCode"] == code


def test_server_error_is_10016_or_a_page(bybit: BybitClient) -> None:
    bybit.exchange.faults.set(FaultRule(error_rate=1), NOW_MS)

    answers = [bybit.send(REALTIME) for _ in range(40)]

    assert {answer.status_code for answer in answers} == {200, 502, 503, 504}
    assert {answer.json()["retCode"] for answer in answers if answer.status_code == 200} == {10016}


def test_archived_order_is_an_empty_list_for_its_look_up_alone(bybit: BybitClient) -> None:
    order_id = place(bybit.exchange, 9)
    bybit.exchange.faults.set(FaultRule(archived_rate=1), NOW_MS)

    assert bybit.ids(REALTIME, orderId=order_id) == []
    assert order_id in bybit.ids(REALTIME)


def test_emptied_list_and_replaced_fields_are_those_of_orders(bybit: BybitClient) -> None:
    order_id = place(bybit.exchange, 10)
    rule = FaultRule(only_order_ids=(10,), fields={"cumExecQty": None})
    bybit.exchange.faults.set(rule, NOW_MS)

    listed = bybit.walk(REALTIME, limit=50)

    assert [one["orderId"] for one in listed if one["cumExecQty"] is None] == [order_id]
    bybit.exchange.faults.set(FaultRule(empty_list_rate=1), NOW_MS)
    assert bybit.ids(REALTIME) == []
    assert bybit.http.get(SYMBOLS, params={"category": "spot"}).json()["result"]["list"]
