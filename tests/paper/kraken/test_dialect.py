"""The paper exchange answers as Kraken does, and refuses what Kraken refuses."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from reconciler.domain.status import Status
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.dialect import Dialect
from reconciler.paper.dialects.kraken import DIALECT
from reconciler.paper.dialects.kraken.answers import ROW_STATUSES, WORDS
from reconciler.paper.dialects.kraken.names import pair_name, txid_of
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.lifecycle import STATUS_OF, ExchangeStatus, OrderState
from reconciler.paper.listing import OrderSpec, build_order
from reconciler.paper.market import market_for
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread

KEY = DIALECT.new_key()
NOW_MS = 1_795_867_200_000


@dataclass
class Client:
    """Sends requests to the exchange, signed as Kraken's documentation says."""

    http: httpx.Client
    exchange: PaperExchange
    nonces: Iterator[int] = field(default_factory=lambda: count(1))

    def post(self, name: str, key: str = KEY.api_key, **form: object) -> Mapping[str, Any]:
        return self.post_raw(name, urlencode({"nonce": next(self.nonces), **form}), key)

    def post_raw(
        self, name: str, body: str, key: str = KEY.api_key, secret: str = KEY.api_secret
    ) -> Mapping[str, Any]:
        path = f"/0/private/{name}"
        nonce = dict(part.split("=", 1) for part in body.split("&") if "=" in part).get("nonce", "")
        signed = path.encode() + hashlib.sha256((nonce + body).encode()).digest()
        mac = hmac.new(base64.b64decode(secret), signed, hashlib.sha512)
        headers = {
            "API-Key": key,
            "API-Sign": base64.b64encode(mac.digest()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = self.http.post(path, content=body, headers=headers)
        assert response.status_code == 200
        answer: Mapping[str, Any] = response.json()
        return answer

    def get(self, name: str, **query: str) -> Mapping[str, Any]:
        response = self.http.get(f"/0/public/{name}", params=query)
        assert response.status_code == 200
        answer: Mapping[str, Any] = response.json()
        return answer


@pytest.fixture
def client() -> Iterator[Client]:
    exchange = new_exchange("kraken", access=KEY.access, has_limits=False)
    exchange.clock_ms = lambda: NOW_MS
    with (
        serve_in_thread(exchange) as url,
        httpx.Client(base_url=url, trust_env=False) as http,
    ):
        yield Client(http=http, exchange=exchange)


def place(client: Client, number: int, **spec: Any) -> str:
    """Place an order; return its id."""
    order = build_order(OrderSpec(symbol="BTCUSDT", order_id=number, **spec), NOW_MS)
    client.exchange.orders.put(order)
    return txid_of(number)


def error_of(answer: Mapping[str, Any]) -> str:
    assert "result" not in answer
    [text] = answer["error"]
    return str(text)


def test_it_is_a_dialect() -> None:
    dialect: Dialect = DIALECT

    assert dialect.name == "kraken"


def test_queried_order_has_the_documented_fields(client: Client) -> None:
    txid = place(
        client,
        7,
        status="PARTIALLY_FILLED",
        qty="2",
        price="100",
        executed_qty="0.5",
        quote_qty="49.75",
        created_at=NOW_MS - 1_234,
    )

    answer = client.post("QueryOrders", txid=txid)

    assert answer["error"] == []
    assert answer["result"] == {
        txid: {
            "refid": None,
            "userref": None,
            "cl_ord_id": "by_hand_7",
            "status": "open",
            "opentm": (NOW_MS - 1_234) / 1000,
            "starttm": 0,
            "expiretm": 0,
            "descr": {
                "pair": "XBTUSDT",
                "type": "buy",
                "ordertype": "limit",
                "price": "100.00000000",
                "price2": "0",
                "leverage": "none",
                "order": "buy 2.00000000 XBTUSDT @ limit 100.00000000",
                "close": "",
            },
            "vol": "2.00000000",
            "vol_exec": "0.50000000",
            "cost": "49.75000000",
            "fee": "0.12935000",
            "price": "99.50000000",
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "",
            "oflags": "fciq",
        }
    }


@pytest.mark.parametrize("status", list(ExchangeStatus))
def test_every_status_has_a_word_and_a_rows_status(status: ExchangeStatus) -> None:
    state = OrderState(exchange_status=status, executed_e8=0, quote_e8=0)

    assert DIALECT.word(state) == WORDS[status]
    assert WORDS[status] in ROW_STATUSES
    expected = STATUS_OF[status]
    if status is ExchangeStatus.REJECTED:
        expected = Status.CANCELED  # Kraken has no word for it.
    elif status is ExchangeStatus.PARTIALLY_FILLED:
        expected = Status.NEW  # With nothing executed.
    assert DIALECT.row_status(state) is expected


def test_status_that_was_set_by_hand_is_shown_and_unknown(client: Client) -> None:
    txid = place(client, 1, status="under_review")

    assert client.post("QueryOrders", txid=txid)["result"][txid]["status"] == "under_review"
    state = OrderState(exchange_status="under_review", executed_e8=0, quote_e8=0)
    assert DIALECT.row_status(state) is None


def test_missing_order_is_left_out(client: Client) -> None:
    txid = place(client, 1)

    answer = client.post("QueryOrders", txid=f"{txid},{txid_of(2)}")

    assert answer["error"] == []
    assert set(answer["result"]) == {txid}


@pytest.mark.parametrize(
    ("txid", "error"),
    [
        ("nonsense", "EOrder:Invalid order"),
        (f"{txid_of(1)},nonsense", "EOrder:Invalid order"),
        ("", "EGeneral:Invalid arguments:txid"),
        (",".join(map(txid_of, range(51))), "EGeneral:Invalid arguments:txid"),
    ],
)
def test_request_with_a_bad_id_is_refused_as_a_whole(client: Client, txid: str, error: str) -> None:
    place(client, 1)

    assert error_of(client.post("QueryOrders", txid=txid)) == error


def test_fifty_orders_are_answered_at_once(client: Client) -> None:
    ids = [place(client, number) for number in range(50)]

    assert set(client.post("QueryOrders", txid=",".join(ids))["result"]) == set(ids)


def test_open_orders_are_listed_without_pages(client: Client) -> None:
    open_ids = {place(client, number) for number in range(120)}
    place(client, 900, status="FILLED", executed_qty="1")

    assert set(client.post("OpenOrders")["result"]["open"]) == open_ids


def test_closed_orders_come_in_pages_of_fifty_the_last_to_end_first(client: Client) -> None:
    ids = [
        place(client, number, status="CANCELED", updated_at=NOW_MS + number * 1000)
        for number in range(120)
    ]
    place(client, 900)

    pages = [client.post("ClosedOrders", ofs=offset)["result"] for offset in (0, 50, 100, 150)]

    assert [len(page["closed"]) for page in pages] == [50, 50, 20, 0]
    assert [txid for page in pages for txid in page["closed"]] == ids[::-1]
    assert {page["count"] for page in pages} == {120}
    [order] = client.post("ClosedOrders", ofs=119, without_count="true")["result"][
        "closed"
    ].values()
    assert (order["status"], order["reason"]) == ("canceled", "User requested")
    assert order["closetm"] == NOW_MS / 1000


def test_closed_orders_are_limited_by_time(client: Client) -> None:
    seconds = NOW_MS // 1000
    for number in range(5):
        place(client, number, status="EXPIRED", updated_at=NOW_MS + number * 1000)

    answer = client.post("ClosedOrders", start=seconds, end=seconds + 2)

    assert set(answer["result"]["closed"]) == {txid_of(1), txid_of(2)}


def test_pairs_have_their_names(client: Client) -> None:
    for number, symbol in enumerate(("BTCEUR", "ETHBTC", "DOGEUSDT")):
        client.exchange.orders.put(build_order(OrderSpec(symbol=symbol, order_id=number), NOW_MS))

    pairs = client.get("AssetPairs")["result"]

    names = {name: (pair["altname"], pair["wsname"]) for name, pair in pairs.items()}
    assert names == {
        "XXBTZEUR": ("XBTEUR", "XBT/EUR"),
        "XETHXXBT": ("ETHXBT", "ETH/XBT"),
        "XDGUSDT": ("XDGUSDT", "XDG/USDT"),
    }
    assert set(client.get("AssetPairs", pair="ETH/XBT")["result"]) == {"XETHXXBT"}
    assert error_of(client.get("AssetPairs", pair="NONE")) == "EQuery:Unknown asset pair"
    assert set(client.get("Assets")["result"]) == {"XXBT", "ZEUR", "XETH", "XXDG", "USDT"}


def test_time_is_told_in_seconds(client: Client) -> None:
    assert client.get("Time")["result"] == {
        "unixtime": NOW_MS // 1000,
        "rfc1123": "Sat, 28 Nov 26 12:00:00 +0000",
    }
    assert client.get("SystemStatus")["result"]["status"] == "online"


def test_key_info_names_the_account(client: Client) -> None:
    info = client.post("GetApiKeyInfo")["result"]

    assert info["iban"] == "AA73 0000 0000 8900"
    assert info["apiKey"] == KEY.api_key
    assert {"query-open-trades", "query-closed-trades"} <= set(info["permissions"])


def test_wrong_credentials_are_refused_in_kraken_words(client: Client) -> None:
    other = base64.b64encode(b"another secret").decode()

    assert error_of(client.post("OpenOrders", key="unknown")) == "EAPI:Invalid key"
    wrong = client.post_raw("OpenOrders", "nonce=99", secret=other)
    assert error_of(wrong) == "EAPI:Invalid signature"
    assert client.post_raw("OpenOrders", "nonce=99")["error"] == []


@pytest.mark.parametrize("nonce", ["5", "4", "-1", "", "x", "5.5", str(2**64), "\u0667"])
def test_nonce_that_does_not_grow_is_refused(client: Client, nonce: str) -> None:
    assert client.post_raw("OpenOrders", "nonce=5")["error"] == []

    refused = client.post_raw("OpenOrders", f"nonce={nonce}")

    assert error_of(refused) == "EAPI:Invalid nonce"
    assert client.post_raw("OpenOrders", "nonce=6")["error"] == []


def test_largest_nonce_is_the_last(client: Client) -> None:
    assert client.post_raw("OpenOrders", f"nonce={2**64 - 1}")["error"] == []
    assert error_of(client.post_raw("OpenOrders", "nonce=7")) == "EAPI:Invalid nonce"


def test_json_body_is_read_too(client: Client) -> None:
    txid, path = place(client, 1), "/0/private/QueryOrders"
    body = json.dumps({"nonce": 77, "txid": txid, "trades": True})
    signed = path.encode() + hashlib.sha256(f"77{body}".encode()).digest()
    mac = hmac.new(base64.b64decode(KEY.api_secret), signed, hashlib.sha512)
    headers = {
        "API-Key": KEY.api_key,
        "API-Sign": base64.b64encode(mac.digest()).decode(),
        "Content-Type": "application/json",
    }

    answer = client.http.post(path, content=body, headers=headers).json()

    assert set(answer["result"]) == {txid}


@pytest.mark.parametrize(
    ("name", "form", "error"),
    [
        ("OpenOrders", {"nonsense": 1}, "EGeneral:Invalid arguments:nonsense"),
        ("ClosedOrders", {"ofs": "-1"}, "EGeneral:Invalid arguments:ofs"),
        ("ClosedOrders", {"closetime": "later"}, "EGeneral:Invalid arguments:closetime"),
        ("ClosedOrders", {"without_count": "perhaps"}, "EGeneral:Invalid arguments:without_count"),
        ("Nonsense", {}, "EGeneral:Unknown method"),
    ],
)
def test_what_kraken_does_not_know_is_refused(
    client: Client, name: str, form: dict[str, Any], error: str
) -> None:
    response = client.http.post(f"/0/private/{name}", data={"nonce": 1, **form})
    answer = response.json() if name == "Nonsense" else client.post(name, **form)

    assert error_of(answer) == error


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"rate_limit_rate": 1}, "EAPI:Rate limit exceeded"),
        ({"ban_rate": 1}, "EGeneral:Temporary lockout"),
        ({"maintenance_rate": 1}, "EService:Unavailable"),
        ({"bad_key_rate": 1}, "EAPI:Invalid key"),
        ({"refusal_rate": 1}, "EGeneral:Internal error"),
        (
            {"refusal_rate": 1, "refusal_message": "EService:Deadline elapsed"},
            "EService:Deadline elapsed",
        ),
    ],
    ids=str,
)
def test_fault_is_worded_as_kraken_words_it(
    client: Client, fault: dict[str, Any], error: str
) -> None:
    client.exchange.faults.set(FaultRule(**fault), NOW_MS)

    assert error_of(client.post("OpenOrders")) == error


def test_list_is_emptied_and_fields_are_replaced_in_place(client: Client) -> None:
    txid = place(client, 1)
    client.exchange.faults.set(
        FaultRule(fields={"vol_exec": None}, only_symbols=("BTCUSDT",), only_order_ids=(1,)), NOW_MS
    )
    assert client.post("QueryOrders", txid=txid)["result"][txid]["vol_exec"] is None
    assert client.post("OpenOrders")["result"]["open"][txid]["vol_exec"] is None
    client.exchange.faults.set(FaultRule(empty_list_rate=1), NOW_MS)

    assert client.post("OpenOrders")["result"] == {"open": {}}
    assert client.post("ClosedOrders")["result"] == {"closed": {}, "count": 0}


def test_counter_leaks_and_locks_out_who_goes_on() -> None:
    exchange = new_exchange("kraken", access=KEY.access)
    now = [NOW_MS]
    exchange.clock_ms = lambda: now[0]
    with (
        serve_in_thread(exchange) as url,
        httpx.Client(base_url=url, trust_env=False) as http,
    ):
        client = Client(http=http, exchange=exchange)

        first = [client.post("OpenOrders")["error"] for _ in range(15)]
        beyond = client.post("OpenOrders")
        now[0] += 3_100  # 0.33 a second
        after = [client.post("OpenOrders")["error"] for _ in range(2)]
        stubborn = [client.post("OpenOrders")["error"] for _ in range(30)]
        now[0] += 899_000
        still = client.post("OpenOrders")
        now[0] += 2_000
        free = client.post("OpenOrders")

    assert first == [[]] * 15
    assert error_of(beyond) == "EAPI:Rate limit exceeded"
    assert after == [[], ["EAPI:Rate limit exceeded"]]
    assert stubborn[-1] == ["EGeneral:Temporary lockout"]
    assert error_of(still) == "EGeneral:Temporary lockout"
    assert free["error"] == []


def test_every_generated_order_is_found_under_its_id(client: Client) -> None:
    client.exchange.seed(SeedOptions(orders=300, symbols=12))
    orders = list(client.exchange.orders)

    for first in range(0, len(orders), 50):
        batch = {txid_of(order.order_id): order for order in orders[first : first + 50]}
        result = client.post("QueryOrders", txid=",".join(batch))["result"]
        assert {txid: row["descr"]["pair"] for txid, row in result.items()} == {
            txid: pair_name(market_for(order.symbol)) for txid, order in batch.items()
        }


@pytest.mark.parametrize(
    ("access", "problem"),
    [
        (replace(KEY.access, passphrase="x"), "passphrase"),
        (replace(KEY.access, api_secret="not base64!"), "base64"),
        (AccessPolicy(jwt_secret="x"), "signs with a key"),
    ],
)
def test_credentials_that_kraken_cannot_have_are_refused(
    access: AccessPolicy, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        new_exchange("kraken", access=access)
