"""What a Binance client meets while faults are in force, over real HTTP."""

import httpx
import pytest

from reconciler.paper.auth import Access, sign
from reconciler.paper.exchange import ACCOUNT_UID, PaperExchange
from reconciler.paper.faults import FaultRule, Step
from reconciler.paper.faults.distortions import UNKNOWN_WORD
from reconciler.paper.limits import UNDER_WAY_MS, WeightMeter
from reconciler.paper.orders import Order

NOW_MS = 1_795_478_400_000


@pytest.fixture
def order(exchange: PaperExchange) -> Order:
    return next(iter(exchange.book.shelf("ETHUSDT")))


def look_up(client: httpx.Client, order: Order) -> httpx.Response:
    params = httpx.QueryParams(symbol=order.symbol, orderId=order.order_id)
    return client.get("/api/v3/order", params=params)


def listed_ids(client: httpx.Client, order: Order) -> set[int]:
    params = httpx.QueryParams(symbol=order.symbol, orderId=1, limit=1000)
    return {row["orderId"] for row in client.get("/api/v3/allOrders", params=params).json()}


def test_latency_delays_the_answer_by_what_was_set(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    slept: list[float] = []

    async def record(seconds: float) -> None:
        slept.append(seconds)

    exchange.sleep = record
    exchange.faults.set(FaultRule(latency_ms=250), NOW_MS)

    assert client.get("/api/v3/ping").status_code == 200
    assert slept == [0.25]


def test_a_failing_exchange_answers_with_a_server_error(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(error_rate=1), NOW_MS)

    answers = [client.get("/api/v3/ping") for _ in range(30)]

    assert {answer.status_code for answer in answers} == {500, 502, 503, 504}
    assert {answer.json()["code"] for answer in answers} == {-1001}


def test_a_cut_connection_gives_no_answer_and_the_next_request_is_answered(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(route="ping", disconnect_rate=1), NOW_MS)

    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/api/v3/ping")

    assert client.get("/api/v3/time").status_code == 200
    assert exchange.traffic.rejected == {"disconnected": 1}


def test_an_outage_closes_every_connection_until_it_is_over(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(outage=True, latency_ms=60_000, for_seconds=60), NOW_MS)

    for path in ("ping", "time", "account"):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"/api/v3/{path}")
    exchange.clock_ms = lambda: NOW_MS + 60_000

    assert client.get("/api/v3/ping").status_code == 200


def test_a_rate_limit_wants_silence_for_as_long_as_was_set(
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


def test_going_on_after_a_rate_limit_earns_a_ban(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.meter = WeightMeter(patience=2)
    exchange.faults.set(FaultRule(rate_limit_rate=1, for_requests=1), NOW_MS)
    client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + UNDER_WAY_MS

    answers = [client.get("/api/v3/ping") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 418]
    assert answers[2].headers["retry-after"] == "120"
    assert f"banned until {NOW_MS + UNDER_WAY_MS + 120_000}" in answers[2].json()["msg"]


def test_a_ban_lasts_as_long_as_was_set(client: httpx.Client, exchange: PaperExchange) -> None:
    exchange.faults.set(FaultRule(ban_rate=1, ban_seconds=300, for_requests=1), NOW_MS)

    first = client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + 299_001
    second = client.get("/api/v3/ping")
    exchange.clock_ms = lambda: NOW_MS + 300_000
    third = client.get("/api/v3/ping")

    assert [answer.status_code for answer in (first, second, third)] == [418, 418, 200]
    assert (first.headers["retry-after"], second.headers["retry-after"]) == ("300", "1")


def test_maintenance_is_a_page_of_html(client: httpx.Client, exchange: PaperExchange) -> None:
    exchange.faults.set(FaultRule(maintenance_rate=1), NOW_MS)

    answer = client.get("/api/v3/ping")

    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<html>")
    assert "x-mbx-used-weight-1m" in answer.headers


def test_a_bad_key_is_refused_on_private_routes_alone(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.faults.set(FaultRule(bad_key_rate=1), NOW_MS)

    private, public = client.get("/api/v3/account"), client.get("/api/v3/ping")

    assert (private.status_code, private.json()["code"]) == (401, -2015)
    assert public.status_code == 200


def test_an_empty_list_hides_everything_and_a_look_up_does_not(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    exchange.faults.set(FaultRule(empty_list_rate=1), NOW_MS)

    assert client.get("/api/v3/openOrders").json() == []
    assert listed_ids(client, order) == set()
    assert look_up(client, order).status_code == 200


def test_a_cut_answer_is_no_json(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    exchange.faults.set(FaultRule(cut_rate=1), NOW_MS)

    answer = look_up(client, order)

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()


def test_an_answer_may_be_a_page_of_html_with_http_200(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    exchange.faults.set(FaultRule(html_rate=1), NOW_MS)

    answer = look_up(client, order)

    assert (answer.status_code, answer.text[:6]) == (200, "<html>")


def test_an_answer_of_wrong_types_has_text_for_numbers(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    exchange.faults.set(FaultRule(wrong_type_rate=1), NOW_MS)

    assert look_up(client, order).json()["orderId"] == str(order.order_id)


def test_vanished_orders_come_back(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    rule = FaultRule(vanished_rate=1, only_order_ids=(order.order_id,), for_seconds=60)
    exchange.faults.set(rule, NOW_MS)

    gone, listed_without = look_up(client, order), listed_ids(client, order)
    exchange.clock_ms = lambda: NOW_MS + 60_000
    back, listed_with = look_up(client, order), listed_ids(client, order)

    assert (gone.status_code, gone.json()["code"]) == (400, -2013)
    assert back.status_code == 200
    assert listed_with - listed_without == {order.order_id}


def test_a_new_status_word_is_told_on_every_route(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    exchange.faults.set(FaultRule(unknown_status_rate=1), NOW_MS)

    every = client.get("/api/v3/openOrders").json()

    assert look_up(client, order).json()["status"] == UNKNOWN_WORD
    assert {row["status"] for row in every} == {UNKNOWN_WORD}
    assert len(every) == sum(order.stage.is_open for order in exchange.book)


def test_a_contradictory_order_is_filled_with_nothing_executed(
    client: httpx.Client, exchange: PaperExchange, order: Order
) -> None:
    exchange.faults.set(FaultRule(contradiction_rate=1), NOW_MS)

    told = look_up(client, order).json()

    assert (told["status"], told["executedQty"]) == ("FILLED", "0.00000000")


def test_a_stale_answer_is_the_truth_of_a_while_ago(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    moving = next(order for order in exchange.book if order.now + 1 < len(order.life))
    before = look_up(client, moving).json()
    exchange.book.advance(1, NOW_MS)
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
def test_a_clock_that_differs_refuses_what_is_signed_by_ours(
    client: httpx.Client, exchange: PaperExchange, offset_ms: int, code: int | None
) -> None:
    exchange.access = Access(api_key="key", api_secret="secret")
    exchange.faults.set(FaultRule(clock_offset_ms=offset_ms), NOW_MS)
    query = f"timestamp={NOW_MS}"

    answer = client.get(
        f"/api/v3/account?{query}&signature={sign('secret', query)}",
        headers={"X-MBX-APIKEY": "key"},
    )

    assert answer.json().get("code") == code
    assert client.get("/api/v3/time").json() == {"serverTime": NOW_MS + offset_ms}


def test_another_account_has_another_uid(client: httpx.Client, exchange: PaperExchange) -> None:
    before = client.get("/api/v3/account").json()["uid"]
    exchange.faults.set(FaultRule(account_uid=77), NOW_MS)

    assert (before, client.get("/api/v3/account").json()["uid"]) == (ACCOUNT_UID, 77)


def test_a_scripted_outage_passes_by_itself(client: httpx.Client, exchange: PaperExchange) -> None:
    steps = [
        Step(at_seconds=0, faults=FaultRule(error_rate=1)),
        Step(at_seconds=60, faults=FaultRule(maintenance_rate=1)),
        Step(at_seconds=120),
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
