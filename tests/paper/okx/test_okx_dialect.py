"""The paper exchange speaks OKX: to requests as documented, and to a stock client of ccxt."""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import ccxt
import httpx
import pytest

from reconciler.domain.status import Status
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects import load_dialect
from reconciler.paper.exchange import ACCOUNT_UID, PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.lifecycle import ExchangeStatus
from reconciler.paper.listing import OrderSpec, build_order, listed_order
from reconciler.paper.orders import PaperOrder, SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread

from ...docs.documents import marked  # noqa: TID252 - tests are no package

Json = dict[str, Any]

KEY, SECRET, PASSPHRASE = "made-up-key", "made-up-secret", "made up"
DIALECT = load_dialect("okx")
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass
class Paper:
    """An exchange, and how to ask it."""

    exchange: PaperExchange
    url: str

    def put(self, number: int, *, age_ms: int = 0, symbol: str = "BTCUSDT", **spec: Any) -> str:
        """Place an order that ended so long ago; return its id."""
        at_ms = self.exchange.clock_ms() - age_ms
        given = OrderSpec(
            symbol=symbol, order_id=number, created_at=at_ms, updated_at=at_ms, **spec
        )
        self.exchange.orders.put(build_order(given, at_ms))
        return DIALECT.order_id(number)

    def get(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        without: str = "",
        late: timedelta = timedelta(),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> httpx.Response:
        """Ask as documented, without one header or with others."""
        query = urlencode(parameters or {})
        target = f"{path}?{query}" if query else path
        at = datetime.now(UTC) - late
        timestamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        signed = hmac.new(SECRET.encode(), f"{timestamp}GET{target}".encode(), hashlib.sha256)
        sent = {
            "OK-ACCESS-KEY": KEY,
            "OK-ACCESS-SIGN": base64.b64encode(signed.digest()).decode(),
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-PASSPHRASE": PASSPHRASE,
            **headers,
        }
        sent.pop(without, None)
        return httpx.get(f"{self.url}{target}", headers=sent, trust_env=False)

    def rows(self, route: str, **parameters: str) -> list[Json]:
        """Return the rows of a list."""
        answer = self.get(f"/api/v5/trade/{route}", parameters).json()
        assert answer["code"] == "0", answer
        rows: list[Json] = answer["data"]
        return rows

    def ids(self, route: str, **parameters: str) -> list[str]:
        """Return the ids of a list."""
        return [row["ordId"] for row in self.rows(route, **parameters)]


def new_paper(**options: Any) -> PaperExchange:
    access = AccessPolicy(api_key=KEY, api_secret=SECRET, passphrase=PASSPHRASE)
    return new_exchange("okx", access=access, **options)


@pytest.fixture
def paper() -> Iterator[Paper]:
    exchange = new_paper(has_limits=False)
    with serve_in_thread(exchange) as url:
        yield Paper(exchange, url)


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


ACCOUNT = "/api/v5/account/config"


def test_a_signed_request_names_the_account(paper: Paper) -> None:
    answer = paper.get(ACCOUNT).json()

    assert (answer["code"], answer["data"][0]["uid"]) == ("0", str(ACCOUNT_UID))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("OK-ACCESS-KEY", "50103"),
        ("OK-ACCESS-PASSPHRASE", "50104"),
        ("OK-ACCESS-SIGN", "50106"),
        ("OK-ACCESS-TIMESTAMP", "50107"),
    ],
)
def test_each_header_is_needed(paper: Paper, header: str, code: str) -> None:
    assert code_of(paper.get(ACCOUNT, without=header)) == (401, code)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"OK-ACCESS-KEY": "another"}, "50111"),
        ({"OK-ACCESS-PASSPHRASE": "Made up"}, "50105"),
        ({"OK-ACCESS-SIGN": "bm8="}, "50113"),
        ({"OK-ACCESS-TIMESTAMP": "1597026383085"}, "50112"),
        ({"OK-ACCESS-TIMESTAMP": "2020-13-08T09:08:57.715Z"}, "50112"),
        ({"OK-ACCESS-TIMESTAMP": "2020-12-08T09:08:57.715Z"}, "50102"),
        ({"x-simulated-trading": "1"}, "50101"),
    ],
    ids=str,
)
def test_wrong_credentials_are_refused(paper: Paper, headers: dict[str, str], code: str) -> None:
    assert code_of(paper.get(ACCOUNT, headers=headers)) == (401, code)


@pytest.mark.parametrize(
    ("late", "code"),
    [(timedelta(seconds=20), "0"), (timedelta(seconds=90), "50102")],
    ids=["20 s", "90 s"],
)
def test_a_request_expires_after_30_s(paper: Paper, late: timedelta, code: str) -> None:
    assert paper.get(ACCOUNT, late=late).json()["code"] == code


def test_a_query_is_signed_as_it_is_sent(paper: Paper) -> None:
    order_id = paper.put(7)
    parameters = {"instId": "BTC-USDT", "ordId": order_id}

    assert code_of(paper.get("/api/v5/trade/order", parameters)) == (200, "0")


def test_public_routes_need_no_signature(paper: Paper) -> None:
    paper.put(1)
    instruments = httpx.get(f"{paper.url}/api/v5/public/instruments?instType=SPOT")
    at = httpx.get(f"{paper.url}/api/v5/public/time").json()["data"][0]["ts"]

    assert [row["instId"] for row in instruments.json()["data"]] == ["BTC-USDT"]
    assert abs(int(at) - paper.exchange.clock_ms()) < 60_000


WORDS = {
    ExchangeStatus.NEW: ("live", Status.NEW),
    ExchangeStatus.PENDING_NEW: ("live", Status.NEW),
    ExchangeStatus.PENDING_CANCEL: ("live", Status.NEW),
    ExchangeStatus.PARTIALLY_FILLED: ("partially_filled", Status.PARTIAL),
    ExchangeStatus.FILLED: ("filled", Status.FILLED),
    ExchangeStatus.CANCELED: ("canceled", Status.CANCELED),
    ExchangeStatus.REJECTED: ("canceled", Status.CANCELED),
    ExchangeStatus.EXPIRED: ("canceled", Status.CANCELED),
    ExchangeStatus.EXPIRED_IN_MATCH: ("canceled", Status.CANCELED),
}


@pytest.mark.parametrize("status", list(ExchangeStatus))
def test_every_status_has_a_word_and_a_row_gets_what_it_means(
    paper: Paper, status: ExchangeStatus
) -> None:
    executed = "1" if status is ExchangeStatus.FILLED else "0"
    paper.put(7, status=status, executed_qty=executed)
    order = paper.exchange.orders.of_symbol("BTCUSDT").find(7)
    assert order is not None

    assert (DIALECT.word(order.state), DIALECT.row_status(order.state)) == WORDS[status]


def test_an_open_order_with_a_fill_is_partially_filled(paper: Paper) -> None:
    paper.put(7, status="NEW", executed_qty="0.25", price="100")

    [row] = paper.rows("orders-pending", instType="SPOT")

    assert (row["state"], row["accFillSz"], row["avgPx"]) == ("partially_filled", "0.25", "100")


@pytest.mark.parametrize("number", [0, 1, 2**53 + 1, 9 * 10**18])
def test_ids_are_a_bijection(number: int) -> None:
    order_id = DIALECT.order_id(number)

    assert DIALECT.number(order_id) == number
    assert len(order_id) >= 19


@pytest.mark.parametrize("order_id", ["", "7", "x", "0" * 19, "1" * 99, "\u0661" * 19])
def test_what_is_no_id_has_no_number(order_id: str) -> None:
    assert DIALECT.number(order_id) is None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"ordId": "1" + "0" * 18}, (400, "50014")),
        ({"instId": "BTC-USDT"}, (400, "50015")),
        ({"instId": "BTC-USDT", "ordId": "b15"}, (400, "51000")),
        ({"instId": "BTC-USDT", "ordId": "1" + "0" * 18}, (200, "51603")),
        ({"instId": "XYZ-USDT", "ordId": "1" + "0" * 18}, (200, "51001")),
        ({"instId": "BTCUSDT", "ordId": "1" + "0" * 18}, (200, "51001")),
    ],
    ids=str,
)
def test_a_look_up_that_is_wrong_is_refused_with_its_code(
    paper: Paper, parameters: dict[str, str], expected: tuple[int, str]
) -> None:
    paper.put(7)

    assert code_of(paper.get("/api/v5/trade/order", parameters)) == expected


@pytest.mark.parametrize("route", ["orders-pending", "orders-history", "orders-history-archive"])
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"instType": "SPOT", "limit": "101"}, (400, "51000")),
        ({"instType": "SPOT", "limit": "0"}, (400, "51000")),
        ({"instType": "SPOT", "after": "x"}, (400, "51000")),
        ({"instType": "COINS"}, (400, "51000")),
        ({"instType": "SPOT", "instId": "XYZ-USDT"}, (200, "51001")),
        ({"instType": "SWAP"}, (200, "0")),
    ],
    ids=str,
)
def test_a_list_that_is_wrong_is_refused_with_its_code(
    paper: Paper, route: str, parameters: dict[str, str], expected: tuple[int, str]
) -> None:
    paper.put(7)

    assert code_of(paper.get(f"/api/v5/trade/{route}", parameters)) == expected


@pytest.mark.parametrize("route", ["orders-history", "orders-history-archive"])
def test_a_history_needs_the_instrument_type(paper: Paper, route: str) -> None:
    assert code_of(paper.get(f"/api/v5/trade/{route}")) == (400, "50014")


def test_pages_go_on_after_the_last_id_with_the_largest_ids_first(paper: Paper) -> None:
    ids = [paper.put(number, symbol="ETHUSDT") for number in range(1, 251)]
    newest_first = ids[::-1]

    first = paper.ids("orders-pending", instType="SPOT")
    second = paper.ids("orders-pending", instType="SPOT", after=first[-1])
    third = paper.ids("orders-pending", instType="SPOT", after=second[-1], limit="100")
    beyond = paper.ids("orders-pending", instType="SPOT", after=third[-1])

    assert [len(first), len(second), len(third), len(beyond)] == [100, 100, 50, 0]
    assert first + second + third == newest_first


def test_before_and_after_are_not_included(paper: Paper) -> None:
    # The example of "Pagination": of 10 to 1, before=6 and after=10 are 9, 8, 7.
    ids = {number: paper.put(number) for number in range(1, 11)}

    def asked(**parameters: str) -> list[str]:
        return paper.ids("orders-pending", instType="SPOT", **parameters)

    assert asked(before=ids[6], after=ids[10]) == [ids[9], ids[8], ids[7]]
    assert asked(before=ids[2], after=ids[9], limit="3") == [ids[8], ids[7], ids[6]]
    assert asked(before=ids[6], limit="3") == [ids[9], ids[8], ids[7]]


def test_each_history_forgets_what_it_is_documented_to_forget(paper: Paper) -> None:
    filled = {"status": "FILLED", "executed_qty": "1"}
    partly = {"status": "CANCELED", "executed_qty": "0.5"}
    unfilled = {"status": "CANCELED"}
    new_unfilled = paper.put(1, age_ms=HOUR_MS, **unfilled)
    paper.put(2, age_ms=3 * HOUR_MS, **unfilled)
    partly_filled = paper.put(3, age_ms=6 * DAY_MS, **partly)
    older = paper.put(4, age_ms=8 * DAY_MS, **filled)
    paper.put(5, age_ms=91 * DAY_MS, **filled)
    open_order = paper.put(6, age_ms=100 * DAY_MS)

    assert paper.ids("orders-history", instType="SPOT") == [partly_filled, new_unfilled]
    assert paper.ids("orders-history-archive", instType="SPOT") == [older, partly_filled]
    assert paper.ids("orders-pending") == [open_order]


def test_lists_can_be_narrowed_by_symbol_state_and_type(paper: Paper) -> None:
    one = paper.put(1, status="FILLED", executed_qty="1", side="SELL")
    two = paper.put(2, status="CANCELED", time_in_force="IOC", side="SELL")
    other = paper.put(3, symbol="ETHUSDT", status="CANCELED", side="SELL")

    def asked(**parameters: str) -> list[str]:
        return paper.ids("orders-history", instType="SPOT", **parameters)

    assert asked(instId="BTC-USDT") == [two, one]
    assert asked(instId="ETH-USDT") == [other]
    assert asked(state="filled") == [one]
    assert asked(ordType="ioc,fok") == [two]


@pytest.mark.parametrize(
    ("route", "amount"),
    [("order", 60), ("orders-pending", 60), ("orders-history", 40), ("orders-history-archive", 20)],
)
def test_a_request_beyond_a_routes_limit_is_refused(route: str, amount: int) -> None:
    exchange = new_paper()
    started_ms = exchange.clock_ms()
    exchange.clock_ms = lambda: started_ms
    with serve_in_thread(exchange) as url:
        paper = Paper(exchange, url)
        order_id = paper.put(1)
        parameters = {"instType": "SPOT", "instId": "BTC-USDT", "ordId": order_id}
        path = f"/api/v5/trade/{route}"

        codes = [code_of(paper.get(path, parameters)) for _ in range(amount + 1)]
        exchange.clock_ms = lambda: started_ms + 2000
        later = code_of(paper.get(path, parameters))

    assert codes == [(200, "0")] * amount + [(429, "50011")]
    assert later == (200, "0")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"rate_limit_rate": 1}, (429, "50011")),
        ({"error_rate": 1}, (None, "50026")),
        ({"maintenance_rate": 1}, (503, "50001")),
        ({"bad_key_rate": 1}, (401, "50111")),
        ({"refusal_rate": 1, "refusal_status": 400, "refusal_code": 51000}, (400, "51000")),
        ({"ban_rate": 1}, (200, "0")),
        ({"archived_rate": 1}, (200, "0")),
        ({"empty_list_rate": 1}, (200, "0")),
    ],
    ids=str,
)
def test_faults_are_worded_as_okx_words_them_or_left_out(
    paper: Paper, rule: Json, expected: tuple[int | None, str]
) -> None:
    order_id = paper.put(7)
    paper.exchange.faults.set(FaultRule(**rule), paper.exchange.clock_ms())

    response = paper.get("/api/v5/trade/order", {"instId": "BTC-USDT", "ordId": order_id})

    status, code = code_of(response)
    assert code == expected[1]
    assert expected[0] in {None, status}
    assert expected[1] != "0" or len(response.json()["data"]) == 1


def test_a_fault_can_empty_lists_and_change_fields(paper: Paper) -> None:
    paper.put(7)
    now_ms = paper.exchange.clock_ms()

    paper.exchange.faults.set(FaultRule(empty_list_rate=1), now_ms)
    assert paper.rows("orders-pending") == []
    paper.exchange.faults.set(FaultRule(fields={"accFillSz": None}), now_ms)
    assert [row["accFillSz"] for row in paper.rows("orders-pending")] == [None]
    paper.exchange.faults.set(FaultRule(without_fields=("state",)), now_ms)
    assert ["state" in row for row in paper.rows("orders-pending")] == [False]


def test_a_firewall_answers_with_a_page(paper: Paper) -> None:
    paper.exchange.faults.set(FaultRule(firewall_rate=1), paper.exchange.clock_ms())

    response = paper.get(ACCOUNT)

    assert response.status_code == 403
    assert response.headers["Content-Type"].startswith("text/html")


def test_another_path_or_method_is_refused(paper: Paper) -> None:
    assert code_of(httpx.get(f"{paper.url}/api/v5/nothing")) == (404, "404")
    assert code_of(httpx.post(f"{paper.url}/api/v5/public/time")) == (405, "50115")


@pytest.mark.parametrize(
    ("access", "part"),
    [
        (AccessPolicy(api_key=KEY, api_secret=SECRET), "passphrase"),
        (AccessPolicy(passphrase=PASSPHRASE), "passphrase"),
        (AccessPolicy(jwt_secret="x" * 32), "no tokens"),
    ],
    ids=["no passphrase", "a passphrase alone", "tokens"],
)
def test_credentials_that_okx_does_not_have_are_a_problem(access: AccessPolicy, part: str) -> None:
    assert part in (DIALECT.access_problem(access) or "")


def test_a_new_key_is_one_that_the_exchange_accepts() -> None:
    key = DIALECT.new_key()

    assert key.passphrase is not None
    assert DIALECT.access_problem(key.access) is None


# A stock client of ccxt, with the options that a user sets.

SEED = SeedOptions(orders=400, symbols=4)
CCXT_STATUS = {Status.NEW: "open", Status.PARTIAL: "open", Status.FILLED: "closed"}


def open_ccxt(url: str) -> Any:
    [block] = marked("client_ccxt_okx")
    names: Json = {}
    exec(block.code, names)  # noqa: S102 - our own page
    client = names["open_ccxt_okx"](url, KEY, SECRET, PASSPHRASE)
    client.enableRateLimit = False  # to be quick: the exchange here has no limits
    client.session.trust_env = False
    return client


@pytest.fixture(scope="module")
def seeded() -> Iterator[tuple[PaperExchange, Any]]:
    exchange = new_paper(has_limits=False, seed_options=SEED)
    with serve_in_thread(exchange) as url:
        client = open_ccxt(url)
        client.load_markets()
        yield exchange, client


def require_same(read: Json, order: PaperOrder) -> None:
    listed = listed_order(order, DIALECT)
    expected = CCXT_STATUS.get(listed.truth.status or Status.NEW, "canceled")
    average = listed.truth.avg_price
    assert read["id"] == listed.row_order_id
    assert read["status"] == expected
    assert read["filled"] == float(listed.truth.executed_qty)
    assert read["average"] == (None if average is None else float(average))
    assert read["timestamp"] == order.created_ms
    assert read["side"] == listed.side.lower()
    assert read["clientOrderId"] == order.client_order_id


def name_of(client: Any, order: PaperOrder) -> str:
    market = client.markets_by_id[listed_order(order, DIALECT).row_symbol][0]
    return str(market["symbol"])


def test_ccxt_loads_the_markets_and_the_time(seeded: tuple[PaperExchange, Any]) -> None:
    exchange, client = seeded

    assert len(client.symbols) == SEED.symbols
    assert abs(client.fetch_time() - exchange.clock_ms()) < 60_000


def test_ccxt_reads_each_order_as_it_is(seeded: tuple[PaperExchange, Any]) -> None:
    exchange, client = seeded

    for order in list(exchange.orders)[::4]:
        read = client.fetch_order(DIALECT.order_id(order.order_id), name_of(client, order))
        require_same(read, order)


def test_ccxt_reads_the_open_orders_and_the_closed_ones(
    seeded: tuple[PaperExchange, Any],
) -> None:
    exchange, client = seeded
    by_id = {DIALECT.order_id(order.order_id): order for order in exchange.orders}
    symbol = client.symbols[0]

    is_open = client.fetch_open_orders(symbol)
    closed = client.fetch_closed_orders(symbol)

    assert {read["id"] for read in is_open} == {
        order_id
        for order_id, order in by_id.items()
        if order.state.is_open and name_of(client, order) == symbol
    }
    assert closed
    for read in [*is_open, *closed]:
        require_same(read, by_id[read["id"]])


def test_ccxt_knows_an_order_that_does_not_exist(seeded: tuple[PaperExchange, Any]) -> None:
    _, client = seeded

    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order("1" + "0" * 18, client.symbols[0])


def test_ccxt_knows_wrong_credentials_and_a_limited_rate(
    seeded: tuple[PaperExchange, Any],
) -> None:
    exchange, client = seeded
    wrong = ccxt.okx({"apiKey": KEY, "secret": "another", "password": PASSPHRASE})
    wrong.urls["api"]["rest"] = client.urls["api"]["rest"]
    wrong.set_markets(client.markets)
    with pytest.raises(ccxt.AuthenticationError):
        wrong.fetch_open_orders()

    exchange.faults.set(FaultRule(rate_limit_rate=1, retry_after_seconds=0), exchange.clock_ms())
    with pytest.raises(ccxt.RateLimitExceeded):
        client.fetch_open_orders()
    exchange.faults.clear()
