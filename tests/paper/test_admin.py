"""The routes under /paper/, over real HTTP."""

import httpx
import msgspec
import pytest

from reconciler.domain.status import Status
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.listing import ListedOrder, OrderSpec, listed_order
from reconciler.paper.request_log import LoggedRequest, RequestLog

Params = dict[str, str | int]

NOW_MS = 1_795_478_400_000


def lines(answer: httpx.Response) -> list[ListedOrder]:
    return msgspec.json.Decoder(ListedOrder).decode_lines(answer.content)


def test_seeding_replaces_all_existing_orders(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    body = {"orders": 50, "symbols": 2, "seed": 9, "hot_share": 0.8}

    answer = client.post("/paper/seed", json=body).json()

    assert answer == {"orders": 50, "symbols": ["BTCUSDT", "ETHUSDT"]}
    assert len(list(exchange.orders.of_symbol("BTCUSDT"))) == 40


def test_listing_of_the_same_seed_is_the_same(client: httpx.Client) -> None:
    body = {"orders": 50, "symbols": 2, "seed": 9}

    client.post("/paper/seed", json=body)
    first = client.get("/paper/orders").content
    client.post("/paper/seed", json=body)

    assert client.get("/paper/orders").content == first


def test_listing_continues_after_the_cursor(client: httpx.Client, exchange: PaperExchange) -> None:
    first = lines(client.get("/paper/orders", params={"limit": 400}))
    cursor = f"{first[-1].symbol}:{first[-1].order_id}"
    rest = lines(client.get("/paper/orders", params={"after": cursor, "limit": 400}))

    assert len(first) == 400
    assert first + rest == [listed_order(order, exchange.dialect) for order in exchange.orders]


def test_all_orders_can_be_replaced_in_any_sequence(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    given = [OrderSpec(symbol=symbol, order_id=id_) for symbol in ("B", "A") for id_ in (9, 7, 8)]

    answer = client.put("/paper/orders", content=msgspec.json.Encoder().encode_lines(given))

    assert answer.json() == {"orders": 6, "symbols": ["A", "B"]}
    assert [(order.symbol, order.order_id) for order in exchange.orders] == [
        ("A", 7),
        ("A", 8),
        ("A", 9),
        ("B", 7),
        ("B", 8),
        ("B", 9),
    ]


@pytest.mark.parametrize("line", ['{"symbol": "A"}', '{"symbol": "A", "order_id": 1, "qty": "x"}'])
def test_orders_stay_when_a_replacement_cannot_be_parsed(
    client: httpx.Client, exchange: PaperExchange, line: str
) -> None:
    before = list(exchange.orders)

    answer = client.put("/paper/orders", content=line)

    assert answer.status_code == 400
    assert list(exchange.orders) == before


def test_listed_order_has_the_seen_state_and_the_true_one(client: httpx.Client) -> None:
    body = {
        "symbol": "BTCUSDT",
        "order_id": 7,
        "status": "CANCELED",
        "qty": "2",
        "price": "100",
        "executed_qty": "1.5",
        "quote_qty": "100",
        "seen": {"status": "PARTIALLY_FILLED", "executed_qty": "0.5", "quote_qty": "49"},
    }

    placed = client.post("/paper/orders", json=body)
    shown = client.get("/paper/truth", params={"symbol": "BTCUSDT", "order_id": 7}).json()

    assert placed.status_code == 201
    assert shown == placed.json()
    assert shown["seen"] == {
        "status": "partial",
        "executed_qty": "0.50000000",
        "avg_price": "98.00000000",
    }
    assert shown["truth"] == {
        "status": "canceled",
        "executed_qty": "1.50000000",
        "avg_price": "66.66666667",
    }


@pytest.mark.parametrize(
    ("body", "seen", "truth"),
    [
        ({"status": "NEW"}, "new", "new"),
        ({"status": "PENDING_NEW"}, "pending", "pending"),
        ({"status": "FILLED", "executed_qty": "1"}, "new", "filled"),
        ({"status": "HALF_BAKED"}, "new", None),
    ],
)
def test_order_placed_without_a_seen_state_is_seen_as_new(
    client: httpx.Client, body: dict[str, str], seen: str, truth: str | None
) -> None:
    placed = client.post("/paper/orders", json={"symbol": "X", "order_id": 1, **body}).json()

    assert placed["seen"]["status"] == seen
    assert placed["truth"]["status"] == truth


def test_order_with_an_unknown_quote_has_no_average(client: httpx.Client) -> None:
    body = {"symbol": "X", "order_id": 1, "status": "FILLED", "executed_qty": "1"}

    placed = client.post("/paper/orders", json={**body, "quote_qty": "-1"}).json()
    shown = client.get("/api/v3/order", params={"symbol": "X", "orderId": 1}).json()

    assert placed["truth"]["avg_price"] is None
    assert shown["cummulativeQuoteQty"] == "-1.00000000"


def test_removed_order_does_not_exist_any_more(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    order = next(iter(exchange.orders))
    found: Params = {"symbol": order.symbol, "order_id": order.order_id}

    assert client.delete("/paper/orders", params=found).status_code == 200
    assert client.delete("/paper/orders", params=found).status_code == 404
    sent: Params = {"symbol": order.symbol, "orderId": order.order_id}
    assert client.get("/api/v3/order", params=sent).json()["code"] == -2013


def test_advancing_moves_every_order_to_its_last_state_at_most(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    unfinished = sum(order.state_index + 1 < len(order.states) for order in exchange.orders)

    first = client.post("/paper/advance", json={"steps": 100}).json()
    second = client.post("/paper/advance", json={"steps": 100}).json()

    assert first == {"moved": unfinished}
    assert unfinished > 0
    assert second == {"moved": 0}


def test_faults_are_set_shown_and_ended(client: httpx.Client) -> None:
    set_to = client.post("/paper/faults", json={"route": "order", "error_rate": 0.5}).json()
    shown = client.get("/paper/faults").json()
    ended = client.delete("/paper/faults").json()

    assert msgspec.convert(set_to["rules"], list[FaultRule]) == [
        FaultRule(route="order", error_rate=0.5)
    ]
    assert shown == set_to
    assert ended == {"rules": []}


def test_faults_do_not_affect_the_admin_routes(client: httpx.Client) -> None:
    client.post("/paper/faults", json={"disconnect_rate": 1})

    assert client.get("/paper/stats").status_code == 200


def test_stats_count_requests_weight_and_rejections(client: httpx.Client) -> None:
    client.get("/api/v3/ping")
    client.get("/api/v3/ping")
    client.get("/api/v3/order", params={"symbol": "BTCUSDT", "orderId": 1})

    assert client.get("/paper/stats").json() == {
        "started_at": 1_795_478_400_000,
        "requests": {"ping": 2, "order": 1},
        "weight": 6,
        "rejected": {"400": 1},
    }


def test_timeline_begins_when_it_is_set(client: httpx.Client) -> None:
    client.post("/paper/faults", json={"name": "before", "error_rate": 1})
    steps = [
        {"at_seconds": 0, "faults": {"latency_ms": 1}},
        {"at_seconds": 60, "faults": {"outage": True}},
    ]

    begun = client.post("/paper/timeline", json=steps).json()

    assert msgspec.convert(begun["rules"], list[FaultRule]) == [FaultRule(latency_ms=1)]


def test_every_request_of_the_dialect_is_logged(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    client.get("/api/v3/openOrders", params={"symbol": "BTCUSDT"})
    client.get("/api/v3/order", params={"symbol": "BTCUSDT", "orderId": 1})
    exchange.faults.set(FaultRule(rate_limit_rate=1, retry_after_seconds=9), NOW_MS)
    client.get("/api/v3/ping")

    logged = msgspec.json.Decoder(LoggedRequest).decode_lines(client.get("/paper/requests").content)

    assert [
        (entry.number, entry.route, entry.symbol, entry.weight, entry.status) for entry in logged
    ] == [
        (1, "openOrders", "BTCUSDT", 6, "200"),
        (2, "order", "BTCUSDT", 4, "400"),
        (3, "ping", None, 1, "429"),
    ]
    assert [entry.retry_after_seconds for entry in logged] == [None, None, 9]
    assert {(entry.at_ms, entry.address) for entry in logged} == {(NOW_MS, "127.0.0.1")}


def test_request_log_is_paged_and_drops_the_oldest(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.request_log = RequestLog(started_ms=NOW_MS, capacity=3)
    for _ in range(5):
        client.get("/api/v3/ping")

    def numbers(query: str) -> list[int]:
        body = client.get(f"/paper/requests?{query}").content
        return [entry.number for entry in msgspec.json.Decoder(LoggedRequest).decode_lines(body)]

    assert numbers("after=0") == [3, 4, 5]
    assert numbers("after=3&limit=1") == [4]
    assert numbers("after=5") == []


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("seed", '{"orders": -1}', ">= 0"),
        ("seed", '{"colour": "red"}', "colour"),
        ("seed", "{", "truncated"),
        ("faults", '{"route": "orders"}', "choose * or one of ping"),
        ("faults", '{"error_rate": 2}', "<= 1"),
        ("timeline", '[{"at_seconds": 0, "faults": {"route": "nowhere"}}]', "choose * or one of"),
        ("timeline", '[{"at_seconds": -1}]', ">= 0"),
        ("orders", '{"symbol": "X", "order_id": 1, "qty": "many"}', "'many' is not a decimal"),
        ("advance", '{"steps": -1}', ">= 1"),
    ],
)
def test_invalid_body_is_refused_with_its_reason(
    client: httpx.Client, path: str, body: str, reason: str
) -> None:
    answer = client.post(f"/paper/{path}", content=body)

    assert answer.status_code == 400
    assert reason in answer.json()["error"]


@pytest.mark.parametrize("query", ["after=BTCUSDT:x", "limit=many", "limit=0"])
def test_invalid_page_parameters_are_refused(client: httpx.Client, query: str) -> None:
    assert client.get(f"/paper/orders?{query}").status_code == 400


def test_listing_writes_our_statuses_by_their_value(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    listed = {order.truth.status for order in lines(client.get("/paper/orders"))}

    assert listed == {order.state.status for order in exchange.orders}
    assert listed >= {Status.FILLED, Status.CANCELED, Status.PARTIAL}
