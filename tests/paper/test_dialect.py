"""The dialect as a Binance client sees it, over real HTTP."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.access import sign
from reconciler.paper.dialects.binance.dialect import BinanceMeter
from reconciler.paper.dialects.binance.routes import ROUTES
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.orders import SeedOptions
from reconciler.paper.tokens import mint

Params = dict[str, str | int]

NOW_MS = 1_795_478_400_000
JWT_SECRET = "the secret of the tokens, at least 32 bytes"

ORDER_FIELDS = [
    "symbol",
    "orderId",
    "orderListId",
    "clientOrderId",
    "price",
    "origQty",
    "executedQty",
    "cummulativeQuoteQty",
    "status",
    "timeInForce",
    "type",
    "side",
    "stopPrice",
    "icebergQty",
    "time",
    "updateTime",
    "isWorking",
    "workingTime",
    "origQuoteOrderQty",
    "selfTradePreventionMode",
]


def place(client: httpx.Client, **order: object) -> None:
    client.post("/paper/orders", json={"symbol": "BTCUSDT", **order}).raise_for_status()


def refusal(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, answer.json()["code"]


def test_ping_and_time_answer_without_parameters(client: httpx.Client) -> None:
    assert client.get("/api/v3/ping").json() == {}
    assert client.get("/api/v3/time").json() == {"serverTime": NOW_MS}


def test_exchange_info_has_the_weight_limit_and_every_symbol(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.meter = BinanceMeter(1234)

    answer = client.get("/api/v3/exchangeInfo").json()

    assert answer["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1234}
    ]
    assert {symbol["symbol"] for symbol in answer["symbols"]} == set(exchange.orders.symbols())


def test_exchange_info_can_be_limited_to_some_symbols(client: httpx.Client) -> None:
    one = client.get("/api/v3/exchangeInfo", params={"symbol": "ETHUSDT"}).json()
    two = client.get("/api/v3/exchangeInfo", params={"symbols": '["ETHUSDT","BNBUSDT"]'}).json()

    assert [symbol["baseAsset"] for symbol in one["symbols"]] == ["ETH"]
    assert [symbol["symbol"] for symbol in two["symbols"]] == ["ETHUSDT", "BNBUSDT"]


def test_account_has_a_uid_and_may_trade(client: httpx.Client) -> None:
    answer = client.get("/api/v3/account").json()

    assert answer["accountType"] == "SPOT"
    assert answer["canTrade"] is True
    assert isinstance(answer["uid"], int)


def test_one_order_has_every_documented_field_exactly(client: httpx.Client) -> None:
    place(
        client,
        order_id=2**53 + 1,
        status="PARTIALLY_FILLED",
        qty="2",
        executed_qty="0.00000001",
        quote_qty="0.00064251",
        price="64251.5",
        created_at=1000,
        updated_at=2000,
    )

    sent: Params = {"symbol": "BTCUSDT", "orderId": 2**53 + 1}
    answer = client.get("/api/v3/order", params=sent).json()

    assert list(answer) == ORDER_FIELDS
    assert answer["orderId"] == 2**53 + 1
    assert answer["price"] == "64251.50000000"
    assert answer["executedQty"] == "0.00000001"
    assert answer["cummulativeQuoteQty"] == "0.00064251"
    assert (answer["time"], answer["updateTime"]) == (1000, 2000)


def test_order_is_found_by_its_client_id(client: httpx.Client) -> None:
    place(client, order_id=5, client_order_id="mine")

    sent: Params = {"symbol": "BTCUSDT", "origClientOrderId": "mine"}

    assert client.get("/api/v3/order", params=sent).json()["orderId"] == 5


def test_ids_of_two_different_orders_are_refused(client: httpx.Client) -> None:
    place(client, order_id=5, client_order_id="mine")

    sent: Params = {"symbol": "BTCUSDT", "orderId": 5, "origClientOrderId": "yours"}

    assert refusal(client.get("/api/v3/order", params=sent)) == (400, -2039)


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("order?symbol=BTCUSDT&orderId=1", (400, -2013)),
        ("order?symbol=NOSUCH&orderId=1", (400, -1121)),
        ("order?symbol=BTCUSDT", (400, -1102)),
        ("order?orderId=1", (400, -1102)),
        ("order?symbol=BTCUSDT&orderId=", (400, -1105)),
        ("order?symbol=btcusdt&orderId=1", (400, -1100)),
        ("order?symbol=BTCUSDT&orderId=1.5", (400, -1100)),
        ("order?symbol=BTCUSDT&orderId=1&orderId=2", (400, -1101)),
        ("order?symbol=BTCUSDT&orderId=1&colour=red", (400, -1104)),
        ("allOrders?limit=5", (400, -1102)),
        ("allOrders?symbol=BTCUSDT&limit=1001", (400, -1130)),
        ("allOrders?symbol=BTCUSDT&limit=0", (400, -1130)),
        ("allOrders?symbol=BTCUSDT&startTime=0&endTime=86400001", (400, -1127)),
        ("openOrders?symbol=NOSUCH", (400, -1121)),
        ("exchangeInfo?symbols=BTCUSDT", (400, -1130)),
        (f"account?timestamp={NOW_MS + 1000}", (400, -1021)),
    ],
)
def test_invalid_request_is_refused_with_the_documented_code(
    client: httpx.Client, path: str, refused: tuple[int, int]
) -> None:
    answer = client.get(f"/api/v3/{path}")

    assert refusal(answer) == refused
    assert answer.json()["msg"]
    assert "x-mbx-used-weight-1m" in answer.headers


def test_history_begins_at_the_requested_id_and_ascends(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    ids = [order.order_id for order in exchange.orders.of_symbol("ETHUSDT")]

    sent: Params = {"symbol": "ETHUSDT", "orderId": ids[40] - 1, "limit": 25}
    answer = client.get("/api/v3/allOrders", params=sent).json()

    assert [order["orderId"] for order in answer] == ids[40:65]


def test_history_without_an_id_is_the_most_recent_orders(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    ids = [order.order_id for order in exchange.orders.of_symbol("ETHUSDT")]

    answer = client.get("/api/v3/allOrders", params={"symbol": "ETHUSDT", "limit": 10}).json()

    assert [order["orderId"] for order in answer] == ids[-10:]


def test_history_page_is_500_by_default_and_1000_at_most(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.seed(SeedOptions(orders=1200, symbols=1))

    default = client.get("/api/v3/allOrders", params={"symbol": "BTCUSDT"}).json()
    most = client.get("/api/v3/allOrders", params={"symbol": "BTCUSDT", "limit": 1000}).json()

    assert (len(default), len(most)) == (500, 1000)


def test_history_between_two_times_begins_with_the_earliest(client: httpx.Client) -> None:
    for number in range(1, 6):
        place(client, symbol="LTCBTC", order_id=number, created_at=number * 1000)

    sent: Params = {"symbol": "LTCBTC", "startTime": 2000, "endTime": 4000, "limit": 2}
    answer = client.get("/api/v3/allOrders", params=sent).json()
    until = client.get("/api/v3/allOrders", params={"symbol": "LTCBTC", "endTime": 3000}).json()

    assert [order["orderId"] for order in answer] == [2, 3]
    assert [order["orderId"] for order in until] == [1, 2, 3]


def test_open_orders_are_those_that_may_still_change(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    one = client.get("/api/v3/openOrders", params={"symbol": "ETHUSDT"}).json()
    every = client.get("/api/v3/openOrders").json()

    open_statuses = {"NEW", "PENDING_NEW", "PARTIALLY_FILLED"}
    assert {order["status"] for order in every} == open_statuses
    assert len(every) == sum(order.state.is_open for order in exchange.orders)
    assert one == [order for order in every if order["symbol"] == "ETHUSDT"]


@pytest.mark.parametrize(
    ("path", "weight"),
    [
        ("ping", 1),
        ("time", 1),
        ("exchangeInfo", 20),
        ("account", 20),
        ("order?symbol=BTCUSDT&orderId=1", 4),
        ("openOrders?symbol=BTCUSDT", 6),
        ("openOrders", 80),
        ("allOrders?symbol=BTCUSDT", 20),
    ],
)
def test_every_answer_has_the_weight_used_so_far(
    client: httpx.Client, path: str, weight: int
) -> None:
    client.get("/api/v3/ping")

    answer = client.get(f"/api/v3/{path}")

    assert answer.headers["x-mbx-used-weight-1m"] == str(weight + 1)


def test_requests_above_the_limit_get_429_until_the_minute_ends(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.meter = BinanceMeter(40)
    exchange.clock_ms = lambda: NOW_MS + 50_500

    answers = [client.get("/api/v3/account") for _ in range(3)]
    exchange.clock_ms = lambda: NOW_MS + 60_000
    after = client.get("/api/v3/account")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "10"
    assert answers[2].json()["code"] == -1003
    assert after.status_code == 200
    assert after.headers["x-mbx-used-weight-1m"] == "20"


def test_only_private_routes_need_credentials(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.access = AccessPolicy(jwt_secret=JWT_SECRET)

    answers = {name: client.get(f"/api/v3/{name}") for name in ROUTES}

    refused = {name for name, answer in answers.items() if answer.status_code == 401}
    assert refused == {"account", "order", "openOrders", "allOrders"}
    assert "no token" in answers["account"].json()["msg"]


def test_only_a_correct_signature_is_accepted(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.access = AccessPolicy(api_key="key", api_secret="secret")
    query = f"symbol=BTCUSDT&timestamp={NOW_MS}"

    headers = {"X-MBX-APIKEY": "key"}
    path = f"/api/v3/openOrders?{query}&signature="

    assert client.get(path + sign("secret", query), headers=headers).status_code == 200
    assert refusal(client.get(path + "0" * 64, headers=headers)) == (400, -1022)


def test_bearer_token_is_accepted_until_it_expires(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.access = AccessPolicy(jwt_secret=JWT_SECRET)
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    token = mint(JWT_SECRET, subject="demo", now=now, lifetime=timedelta(minutes=1))
    headers = {"Authorization": f"Bearer {token}"}

    before = client.get("/api/v3/account", headers=headers)
    exchange.clock_ms = lambda: NOW_MS + 60_000
    after = client.get("/api/v3/account", headers=headers)

    assert before.status_code == 200
    assert refusal(after) == (401, -2015)
    assert "expired at" in after.json()["msg"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v3/depth"),
        ("GET", "/sapi/v1/asset/tradeFee"),
        ("GET", "/"),
        ("POST", "/api/v3/order"),
        ("DELETE", "/api/v3/openOrders"),
    ],
)
def test_unknown_path_or_method_is_refused_with_code_5000(
    client: httpx.Client, method: str, path: str
) -> None:
    answer = client.request(method, path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"code": -5000, "msg": f"Path {path}, Method {method} is invalid"}


def test_unknown_admin_path_has_an_error_of_its_own(client: httpx.Client) -> None:
    answer = client.get("/paper/depth")

    assert answer.status_code == 404
    assert answer.json() == {"error": "GET /paper/depth: Not Found"}


def test_routes_of_other_products_have_empty_answers(client: httpx.Client) -> None:
    for path in ("capital/config/getall", "margin/allPairs", "margin/isolated/allPairs"):
        assert client.get(f"/sapi/v1/{path}").json() == []
    assert client.get("/sapi/v1/system/status").json() == {"status": 0, "msg": "normal"}
    assert client.get("/fapi/v1/exchangeInfo").json()["symbols"] == []
    assert client.get("/dapi/v1/exchangeInfo").json()["symbols"] == []


@pytest.mark.parametrize("symbol", ["币安人生USDT", "这是测试币456", "ÄÖÜ_1.X-2"])
def test_symbols_may_be_written_in_any_script(client: httpx.Client, symbol: str) -> None:
    place(client, symbol=symbol, order_id=5)

    one = client.get("/api/v3/order", params={"symbol": symbol, "orderId": 5})
    page = client.get("/api/v3/allOrders", params={"symbol": symbol})
    listed = client.get("/api/v3/exchangeInfo", params={"symbols": f'["{symbol}"]'})

    assert one.json()["symbol"] == symbol
    assert symbol.encode() in one.content
    assert [row["orderId"] for row in page.json()] == [5]
    assert [row["symbol"] for row in listed.json()["symbols"]] == [symbol]


@pytest.mark.parametrize("symbol", ["btcusdt", "BTC/USDT", "BTC USDT", "币安'--", "A" * 51])
def test_symbol_with_illegal_characters_is_refused(client: httpx.Client, symbol: str) -> None:
    answer = client.get("/api/v3/order", params={"symbol": symbol, "orderId": 5})

    assert refusal(answer) == (400, -1100)
    assert r"legal range is '^[\w\-._&&[^a-z]]{1,50}$'" in answer.json()["msg"]


def test_default_symbols_include_one_in_another_script(
    client: httpx.Client, exchange: PaperExchange
) -> None:
    exchange.seed(SeedOptions(orders=24))

    listed = client.get("/api/v3/exchangeInfo").json()["symbols"]

    assert len(listed) == 12
    assert "币安人生USDT" in {row["symbol"] for row in listed}


@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond", "MILLISECOND", "millisecond"])
def test_times_are_in_the_requested_unit(client: httpx.Client, unit: str) -> None:
    place(client, order_id=5, created_at=1000, updated_at=2000)
    headers = {"X-MBX-TIME-UNIT": unit}
    factor = 1000 if unit.upper() == "MICROSECOND" else 1

    sent: Params = {"symbol": "BTCUSDT", "orderId": 5}
    order = client.get("/api/v3/order", params=sent, headers=headers).json()
    page = client.get("/api/v3/allOrders", params={"symbol": "BTCUSDT"}, headers=headers).json()
    every = client.get("/api/v3/openOrders", headers=headers).json()
    now = client.get("/api/v3/time", headers=headers).json()
    info = client.get("/api/v3/exchangeInfo", headers=headers).json()
    account = client.get("/api/v3/account", headers=headers).json()

    times = [order["time"], order["updateTime"], order["workingTime"]]
    assert times == [1000 * factor, 2000 * factor, 1000 * factor]
    assert order in page
    assert order in every
    assert {now["serverTime"], info["serverTime"], account["updateTime"]} == {NOW_MS * factor}


@pytest.mark.parametrize("unit", ["SECOND", "MicroSecond", ""])
def test_unknown_time_unit_is_refused_with_code_1194(client: httpx.Client, unit: str) -> None:
    answer = client.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": unit})

    assert refusal(answer) == (400, -1194)


@pytest.mark.parametrize(
    ("timestamp_us", "code"),
    [
        (NOW_MS * 1000, None),
        (NOW_MS * 1000 + 999_999, None),
        (NOW_MS * 1000 + 1_000_000, -1021),
        (NOW_MS * 1000 - 5_000_000, None),
        (NOW_MS * 1000 - 5_000_001, -1021),
    ],
)
def test_timestamp_may_be_in_microseconds(
    client: httpx.Client, timestamp_us: int, code: int | None
) -> None:
    answer = client.get("/api/v3/account", params={"timestamp": timestamp_us})

    assert answer.json().get("code") == code


def test_times_of_history_may_be_in_microseconds(client: httpx.Client) -> None:
    for number in range(1, 6):
        place(client, symbol="LTCBTC", order_id=number, created_at=NOW_MS - number * 1000)

    sent: Params = {
        "symbol": "LTCBTC",
        "startTime": (NOW_MS - 4000) * 1000,
        "endTime": (NOW_MS - 2000) * 1000,
    }
    answer = client.get("/api/v3/allOrders", params=sent).json()

    assert {order["orderId"] for order in answer} == {2, 3, 4}
