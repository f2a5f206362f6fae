"""Faults as a Binance client sees them, over real HTTP."""

import httpx
import pytest

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.access import sign
from reconciler.paper.dialects.binance.dialect import BinanceMeter
from reconciler.paper.dialects.binance.weight_meter import IN_FLIGHT_MS
from reconciler.paper.exchange import ACCOUNT_UID, PaperExchange
from reconciler.paper.faults import FaultRule, TimelineStep
from reconciler.paper.faults.distortions import UNKNOWN_STATUS
from reconciler.paper.orders import PaperOrder

NOW_MS = 1_795_478_400_000


@pytest.fixture
def order(exchange: PaperExchange) -> PaperOrder:
    return next(iter(exchange.orders.of_symbol("ETHUSDT")))


def look_up(client: httpx.Client, order: PaperOrder) -> httpx.Response:
    params = httpx.QueryParams(symbol=order.symbol, orderId=order.order_id)
    return client.get("/api/v3/order", params=params)


def listed_ids(client: httpx.Client, order: PaperOrder) -> set[int]:
    params = httpx.QueryParams(symbol=order.symbol, orderId=1, limit=1000)
    return {row["orderId"] for row in client.get("/api/v3/allOrders", params=params).json()}


def test_latency_delays_the_answer_by_the_setting(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    slept: list[float] = []

    async def record(seconds: float) -> None:
        slept.append(seconds)

    exchange.sleep = record
    exchange.faults.set(FaultRule(latency_ms=250), NOW_MS)

    assert client.get("/api/v3/ping").status_code == 200
    assert slept == [0.25]


def test_error_rate_answers_with_server_errors(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(error_rate=1), NOW_MS)

    answers = [client.get("/api/v3/ping") for _ in range(30)]

    assert {answer.status_code for answer in answers} == {500, 502, 503, 504}
    assert {answer.json()["code"] for answer in answers} == {-1001}


def test_request_after_a_closed_connection_is_answered(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(route="ping", disconnect_rate=1), NOW_MS)

    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/api/v3/ping")

    assert client.get("/api/v3/time").status_code == 200
    assert exchange.request_log.rejected_by_status == {"disconnected": 1}


def test_outage_closes_every_connection_until_it_is_over(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(outage=True, latency_ms=60_000, for_seconds=60), NOW_MS)

    for path in ("ping", "time", "account"):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"/api/v3/{path}")
    exchange.clock_ms = lambda: NOW_MS + 60_000

    assert client.get("/api/v3/ping").status_code == 200


def test_rate_limit_pauses_an_address_as_long_as_was_set(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    rule = FaultRule(rate_limit_rate=1, retry_after_seconds=30, for_requests=1)
    exchange.faults.set(rule, NOW_MS)

    first = client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + 10_000
    second = client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + 30_000
    third = client.get("/api/v3/ping")

    assert [answer.status_code for answer in (first, second, third)] == [429, 429, 200]
    assert (first.headers["retry-after"], second.headers["retry-after"]) == ("30", "20")
    assert first.json()["code"] == -1003


def test_requests_during_a_rate_limit_pause_earn_a_ban(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.meter = BinanceMeter(tolerated_requests=2)
    exchange.faults.set(FaultRule(rate_limit_rate=1, for_requests=1), NOW_MS)
    client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + IN_FLIGHT_MS

    answers = [client.get("/api/v3/ping") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 418]
    assert answers[2].headers["retry-after"] == "120"
    assert f"banned until {NOW_MS + IN_FLIGHT_MS + 120_000}" in answers[2].json()["msg"]


def test_ban_refuses_requests_as_long_as_was_set(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(ban_rate=1, ban_seconds=300, for_requests=1), NOW_MS)

    first = client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + 299_001
    second = client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + 300_000
    third = client.get("/api/v3/ping")

    assert [answer.status_code for answer in (first, second, third)] == [418, 418, 200]
    assert (first.headers["retry-after"], second.headers["retry-after"]) == ("300", "1")


def test_maintenance_answers_503_with_a_page_of_html(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(maintenance_rate=1), NOW_MS)

    answer = client.get("/api/v3/ping")

    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")
    assert "x-mbx-used-weight-1m" in answer.headers


def test_bad_key_is_refused_on_private_routes_only(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(bad_key_rate=1), NOW_MS)

    private, public = client.get("/api/v3/account"), client.get("/api/v3/ping")

    assert (private.status_code, private.json()["code"]) == (401, -2015)
    assert public.status_code == 200


def test_empty_lists_do_not_affect_a_look_up(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(empty_list_rate=1), NOW_MS)

    assert client.get("/api/v3/openOrders").json() == []
    assert listed_ids(client, order) == set()
    assert look_up(client, order).status_code == 200


def test_cut_answer_cannot_be_decoded_as_json(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(cut_rate=1), NOW_MS)

    answer = look_up(client, order)

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_answer_may_be_a_page_of_html_with_http_200(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(html_rate=1), NOW_MS)

    answer = look_up(client, order)

    assert (answer.status_code, answer.text[:6]) == (200, "<html>")


def test_answer_with_wrong_types_has_text_for_numbers(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(wrong_type_rate=1), NOW_MS)

    assert look_up(client, order).json()["orderId"] == str(order.order_id)


def test_vanished_orders_return_when_the_rule_ends(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    rule = FaultRule(vanished_rate=1, only_order_ids=(order.order_id,), for_seconds=60)
    exchange.faults.set(rule, NOW_MS)

    gone, listed_without = look_up(client, order), listed_ids(client, order)
    exchange.clock_ms = lambda: NOW_MS + 60_000
    back, listed_with = look_up(client, order), listed_ids(client, order)

    assert (gone.status_code, gone.json()["code"]) == (400, -2013)
    assert back.status_code == 200
    assert listed_with - listed_without == {order.order_id}


def test_unknown_status_is_shown_on_every_route(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(unknown_status_rate=1), NOW_MS)

    every = client.get("/api/v3/openOrders").json()

    assert look_up(client, order).json()["status"] == UNKNOWN_STATUS
    assert {row["status"] for row in every} == {UNKNOWN_STATUS}
    assert len(every) == sum(order.state.is_open for order in exchange.orders)


def test_contradictory_order_is_filled_with_nothing_executed(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(contradiction_rate=1), NOW_MS)

    shown = look_up(client, order).json()

    assert (shown["status"], shown["executedQty"]) == ("FILLED", "0.00000000")


def test_stale_answer_shows_an_earlier_state(client: httpx.Client, exchange: PaperExchange) -> None:
    moving = next(order for order in exchange.orders if order.state_index + 1 < len(order.states))
    before = look_up(client, moving).json()
    exchange.orders.advance(1, NOW_MS)
    exchange.faults.set(FaultRule(stale_seconds=10), NOW_MS)

    at_once = look_up(client, moving).json()
    exchange.clock_ms = lambda: NOW_MS + 10_000
    later = look_up(client, moving).json()

    assert at_once == before
    assert later != before
    assert later["updateTime"] == NOW_MS


@pytest.mark.parametrize(
    ("offset_ms", "code"), [(0, None), (-1000, -1021), (5001, -1021), (4999, None)]
)
def test_request_signed_by_another_clock_is_refused(
    client: httpx.Client, exchange: PaperExchange, offset_ms: int, code: int | None
) -> None:
    exchange.access = AccessPolicy(api_key="key", api_secret="secret")
    exchange.faults.set(FaultRule(clock_offset_ms=offset_ms), NOW_MS)
    query = f"timestamp={NOW_MS}"

    answer = client.get(
        f"/api/v3/account?{query}&signature={sign('secret', query)}",
        headers={"X-MBX-APIKEY": "key"},
    )

    assert answer.json().get("code") == code
    assert client.get("/api/v3/time").json() == {"serverTime": NOW_MS + offset_ms}


def test_account_uid_replaces_the_uid_of_the_account(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    before = client.get("/api/v3/account").json()["uid"]
    exchange.faults.set(FaultRule(account_uid=77), NOW_MS)

    assert (before, client.get("/api/v3/account").json()["uid"]) == (ACCOUNT_UID, 77)


def test_firewall_answers_403_to_words_in_a_query(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(firewall_rate=1, only_queries_with=("select", "or 1=1")), NOW_MS)

    asked = ["x-SELECT-7", "OR 1=1", "harmless"]
    answers = [
        client.get("/api/v3/order", params={"symbol": order.symbol, "origClientOrderId": name})
        for name in asked
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 400]
    assert answers[0].headers["content-type"].startswith("text/html")
    assert answers[2].json()["code"] == -2013


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("order", "order?symbol=ETHUSDT&orderId={id}"),
        ("allOrders", "allOrders?symbol=ETHUSDT"),
        ("openOrders", "openOrders"),
    ],
)
def test_refusal_answers_with_its_code_on_its_route(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder, route: str, path: str
) -> None:
    rule = FaultRule(
        route=route,
        refusal_rate=1,
        refusal_status=422,
        refusal_code=-4711,
        refusal_message="Never heard of it.",
        for_requests=1,
    )
    exchange.faults.set(rule, NOW_MS)

    first, second = (client.get(f"/api/v3/{path.format(id=order.order_id)}") for _ in range(2))

    assert (first.status_code, first.json()) == (422, {"code": -4711, "msg": "Never heard of it."})
    assert second.status_code == 200


def test_refusal_can_be_limited_to_one_symbol(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(
        FaultRule(refusal_rate=1, refusal_status=500, only_symbols=("ETHUSDT",)), NOW_MS
    )

    answers = {
        symbol: client.get("/api/v3/allOrders", params={"symbol": symbol}).status_code
        for symbol in ("ETHUSDT", "BTCUSDT")
    }

    assert answers == {"ETHUSDT": 500, "BTCUSDT": 200}


def test_archived_order_is_back_when_the_rule_ends(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    rule = FaultRule(
        route="order", archived_rate=1, only_order_ids=(order.order_id,), for_requests=1
    )
    exchange.faults.set(rule, NOW_MS)

    first, second = look_up(client, order), look_up(client, order)

    assert (first.status_code, first.json()["code"]) == (400, -2026)
    assert "archived" in first.json()["msg"]
    assert second.json()["orderId"] == order.order_id


@pytest.mark.parametrize(
    ("status", "executed_qty", "days", "code"),
    [
        ("CANCELED", "0", 91, -2026),
        ("EXPIRED", "0", 91, -2026),
        ("EXPIRED_IN_MATCH", "0", 91, -2026),
        ("CANCELED", "0", 89, None),
        ("CANCELED", "0.5", 91, None),
        ("FILLED", "1", 91, None),
        ("REJECTED", "0", 91, None),
        ("NEW", "0", 91, None),
    ],
)
def test_order_ended_unfilled_90_days_ago_is_archived(
    client: httpx.Client, status: str, executed_qty: str, days: int, code: int | None
) -> None:
    ended_at = NOW_MS - days * 24 * 3600 * 1000
    old = {"symbol": "ETHUSDT", "order_id": 7, "created_at": ended_at, "status": status}
    client.post("/paper/orders", json={**old, "executed_qty": executed_qty}).raise_for_status()

    answer = client.get("/api/v3/order", params={"symbol": "ETHUSDT", "orderId": 7})

    assert answer.json().get("code") == code


def test_ban_without_retry_after_is_told_in_its_text_alone(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    rule = FaultRule(ban_rate=1, ban_seconds=300, headers={"retry-after": ""})
    exchange.faults.set(rule, NOW_MS)

    answers = [client.get("/api/v3/ping") for _ in range(2)]

    for answer in answers:
        assert answer.status_code == 418
        assert f"banned until {NOW_MS + 300_000}" in answer.json()["msg"]
        assert "retry-after" not in answer.headers


def test_header_can_be_replaced_for_one_request(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    weight = "9" * 5000
    rule = FaultRule(headers={"X-MBX-USED-WEIGHT-1M": weight}, for_requests=1)
    exchange.faults.set(rule, NOW_MS)

    shown = [client.get("/api/v3/ping").headers["x-mbx-used-weight-1m"] for _ in range(2)]

    assert shown == [weight, "2"]


def test_fields_of_account_and_time_can_be_replaced(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(route="account", without_fields=("uid",)), NOW_MS)
    exchange.faults.set(FaultRule(route="time", fields={"serverTime": 10**40}), NOW_MS)

    assert "uid" not in client.get("/api/v3/account").json()
    assert client.get("/api/v3/time").json() == {"serverTime": 10**40}


def test_fields_of_one_order_on_a_page_can_be_replaced(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    rule = FaultRule(fields={"executedQty": None}, only_order_ids=(order.order_id,))
    exchange.faults.set(rule, NOW_MS)

    page = client.get("/api/v3/allOrders", params={"symbol": "ETHUSDT", "orderId": 1}).json()

    assert [row["orderId"] for row in page if row["executedQty"] is None] == [order.order_id]
    assert len(page) > 1


def test_delisted_symbol_and_its_orders_do_not_exist(
    client: httpx.Client, exchange: PaperExchange, order: PaperOrder
) -> None:
    exchange.faults.set(FaultRule(delisted_symbols=("ETHUSDT",)), NOW_MS)

    one = look_up(client, order)
    history = client.get("/api/v3/allOrders", params={"symbol": "ETHUSDT"})
    every = client.get("/api/v3/openOrders").json()
    listed = client.get("/api/v3/exchangeInfo").json()["symbols"]

    assert (one.json()["code"], history.json()["code"]) == (-1121, -1121)
    assert every
    assert "ETHUSDT" not in {row["symbol"] for row in (*every, *listed)}


def test_timeline_of_an_outage_ends_by_itself(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    steps = [
        TimelineStep(at_seconds=0, faults=FaultRule(error_rate=1)),
        TimelineStep(at_seconds=60, faults=FaultRule(maintenance_rate=1)),
        TimelineStep(at_seconds=120),
    ]
    exchange.faults.schedule(steps, NOW_MS)

    def kind_at(seconds: int) -> str:
        exchange.clock_ms = lambda: NOW_MS + seconds * 1000
        answer = client.get("/api/v3/ping")
        return answer.headers["content-type"] if answer.is_error else "answered"

    assert [kind_at(seconds) for seconds in (30, 90, 120)] == [
        "application/json",
        "text/html; charset=utf-8",
        "answered",
    ]
