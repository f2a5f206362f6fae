"""Well-known Binance clients read the paper exchange with their default options.

The code that points each at it is in `docs/reference/paper-exchange.md`.
"""

import asyncio
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ccxt
import pytest
from binance_common.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    RateLimitBanError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
)

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.dialect import BinanceMeter
from reconciler.paper.exchange import ACCOUNT_UID, PaperExchange
from reconciler.paper.faults import FaultRule, FaultTable
from reconciler.paper.orders import PaperOrder, SeedOptions
from reconciler.paper.request_log import RequestLog
from reconciler.paper.server import new_exchange, serve_in_thread

from ..docs.documents import marked  # noqa: TID252 - tests are no package

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its websockets, which are not used here
    from binance.exceptions import BinanceAPIException

KEY, SECRET = "made-up-key", "made-up-secret"
CHINESE = "币安人生USDT"

MARKETS: dict[str, Any] = {}

OpenClient = Callable[[str, str, str], Any]


def open_function(marker: str) -> OpenClient:
    """Return the function that a block of the page defines."""
    [block] = marked(marker)
    names: dict[str, Any] = {}
    exec(block.code, names)  # noqa: S102 - our own page
    found: OpenClient = names[f"open_{marker.removeprefix('client_')}"]
    return found


@dataclass(frozen=True)
class OrderFields:
    """The fields of an order that the tests compare."""

    symbol: str
    order_id: int
    status: str
    qty: float
    executed_qty: float
    created_ms: int


def order_fields(row: Mapping[str, Any]) -> OrderFields:
    return OrderFields(
        symbol=row["symbol"],
        order_id=int(row["orderId"]),
        status=row["status"],
        qty=float(row["origQty"]),
        executed_qty=float(row["executedQty"]),
        created_ms=int(row["time"]),
    )


@dataclass(frozen=True)
class ClientError:
    """A client's exception, with the code and text that it carries."""

    error_type: type[Exception]
    code: int | None
    text: str


class Ccxt:
    """ccxt uses names of its own for symbols; it must load the markets first."""

    name = "ccxt"
    failures = (ccxt.BaseError,)

    def __init__(self, url: str, api_key: str = KEY, api_secret: str = SECRET) -> None:
        self.client = open_function("client_ccxt")(url, api_key, api_secret)

    def load(self) -> None:
        """Load the markets, once for all tests: its own rate limiter makes that slow."""
        if not MARKETS:
            MARKETS.update(self.client.load_markets())
        self.client.set_markets(MARKETS)

    def symbols(self) -> set[str]:
        return set(self.client.markets_by_id)

    def server_time(self) -> int:
        return int(self.client.fetch_time())

    def account_uid(self) -> int:
        return int(self.client.fetch_balance()["info"]["uid"])

    def order(self, symbol: str, order_id: object) -> OrderFields:
        return order_fields(self.client.fetch_order(str(order_id), self._name(symbol))["info"])

    def open_orders(self, symbol: str) -> list[OrderFields]:
        return [
            order_fields(row["info"]) for row in self.client.fetch_open_orders(self._name(symbol))
        ]

    def all_orders(self, symbol: str) -> list[OrderFields]:
        return [order_fields(row["info"]) for row in self.client.fetch_orders(self._name(symbol))]

    def depth(self, symbol: str) -> None:
        self.client.fetch_order_book(self._name(symbol))

    def place(self, symbol: str) -> None:
        self.client.create_order(self._name(symbol), "limit", "buy", 1, 100)

    def error_of(self, error: Exception) -> ClientError:
        return ClientError(type(error), None, str(error))

    def _name(self, symbol: str) -> str:
        [market] = self.client.markets_by_id[symbol]
        name: str = market["symbol"]
        return name


class PythonBinance:
    name = "python-binance"
    failures = (BinanceAPIException,)

    def __init__(self, url: str, api_key: str = KEY, api_secret: str = SECRET) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.client = open_function("client_python_binance")(url, api_key, api_secret)

    def load(self) -> None:
        self.client.ping()

    def symbols(self) -> set[str]:
        return {symbol["symbol"] for symbol in self.client.get_exchange_info()["symbols"]}

    def server_time(self) -> int:
        return int(self.client.get_server_time()["serverTime"])

    def account_uid(self) -> int:
        return int(self.client.get_account()["uid"])

    def order(self, symbol: str, order_id: object) -> OrderFields:
        return order_fields(self.client.get_order(symbol=symbol, orderId=order_id))

    def open_orders(self, symbol: str) -> list[OrderFields]:
        return [order_fields(row) for row in self.client.get_open_orders(symbol=symbol)]

    def all_orders(self, symbol: str) -> list[OrderFields]:
        return [order_fields(row) for row in self.client.get_all_orders(symbol=symbol)]

    def depth(self, symbol: str) -> None:
        self.client.get_order_book(symbol=symbol)

    def place(self, symbol: str) -> None:
        self.client.order_limit_buy(symbol=symbol, quantity="1", price="100")

    def error_of(self, error: Exception) -> ClientError:
        assert isinstance(error, BinanceAPIException)
        return ClientError(type(error), error.code, str(error.message))


class BinanceSdkSpot:
    name = "binance-sdk-spot"
    failures = (Exception,)

    def __init__(self, url: str, api_key: str = KEY, api_secret: str = SECRET) -> None:
        self.client = open_function("client_binance_sdk_spot")(url, api_key, api_secret)
        self.client.configuration.retries = 0  # else it retries for seconds

    def load(self) -> None:
        self.client.ping()

    def symbols(self) -> set[str]:
        return {symbol.symbol for symbol in self.client.exchange_info().data().symbols}

    def server_time(self) -> int:
        return int(self.client.time().data().server_time)

    def account_uid(self) -> int:
        return int(self.client.get_account().data().uid)

    def order(self, symbol: str, order_id: object) -> OrderFields:
        return order_fields(
            self.client.get_order(symbol=symbol, order_id=order_id).data().to_dict()
        )

    def open_orders(self, symbol: str) -> list[OrderFields]:
        return [
            order_fields(row.to_dict()) for row in self.client.get_open_orders(symbol=symbol).data()
        ]

    def all_orders(self, symbol: str) -> list[OrderFields]:
        return [order_fields(row.to_dict()) for row in self.client.all_orders(symbol=symbol).data()]

    def depth(self, symbol: str) -> None:
        self.client.depth(symbol=symbol)

    def place(self, symbol: str) -> None:
        self.client.new_order(symbol=symbol, side="BUY", type="LIMIT", quantity=1, price=100)

    def error_of(self, error: Exception) -> ClientError:
        fields = vars(error)
        return ClientError(type(error), fields["status_code"], str(fields["error_message"]))


Client = Ccxt | PythonBinance | BinanceSdkSpot
CLIENTS: tuple[type[Client], ...] = (Ccxt, PythonBinance, BinanceSdkSpot)


@pytest.fixture(autouse=True)
def _event_loop() -> Iterator[None]:
    """An event loop for python-binance, which makes one where it finds none and never closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[PaperExchange, str]]:
    exchange = new_exchange(
        seed_options=SeedOptions(orders=240), access=AccessPolicy(api_key=KEY, api_secret=SECRET)
    )
    with serve_in_thread(exchange) as url:
        yield exchange, url


@pytest.fixture
def exchange(served: tuple[PaperExchange, str]) -> PaperExchange:
    exchange, _ = served
    exchange.faults, exchange.meter = FaultTable(), BinanceMeter()
    exchange.request_log = RequestLog(started_ms=exchange.clock_ms())
    return exchange


@pytest.fixture
def url(served: tuple[PaperExchange, str], exchange: PaperExchange) -> str:  # noqa: ARG001  # set up before
    return served[1]


@pytest.fixture(params=CLIENTS, ids=lambda client_type: str(client_type.name))
def client(request: pytest.FixtureRequest, url: str) -> Client:
    made: Client = request.param(url)
    made.load()
    return made


@pytest.fixture
def order(exchange: PaperExchange) -> PaperOrder:
    return next(iter(exchange.orders.of_symbol(CHINESE)))


def fields_of(order: PaperOrder) -> OrderFields:
    return OrderFields(
        symbol=order.symbol,
        order_id=order.order_id,
        status=order.state.exchange_status,
        qty=order.qty_e8 / 1e8,
        executed_qty=order.state.executed_e8 / 1e8,
        created_ms=order.created_ms,
    )


def failure_of(client: Client, ask: Callable[[], object]) -> ClientError:
    with pytest.raises(client.failures) as caught:
        ask()
    return client.error_of(caught.value)


def test_each_client_reads_everything_without_a_refusal(
    client: Client, exchange: PaperExchange
) -> None:
    assert client.symbols() == set(exchange.orders.symbols())
    assert abs(client.server_time() - time.time() * 1000) < 60_000
    assert client.account_uid() == ACCOUNT_UID
    for symbol in ("BTCUSDT", "ETHUSDT", CHINESE):
        orders = exchange.orders.of_symbol(symbol)
        truth = [fields_of(order) for order in orders]
        is_open = {order.order_id for order in orders.open_orders()}
        assert sorted(client.all_orders(symbol), key=lambda one: one.order_id) == truth
        assert {one.order_id for one in client.open_orders(symbol)} == is_open
        assert client.order(symbol, truth[0].order_id) == truth[0]

    assert exchange.request_log.rejected_by_status == {}
    asked = set(exchange.request_log.count_by_route)
    assert {"exchangeInfo", "time", "account", "order", "openOrders", "allOrders"} <= asked


def test_each_client_reads_a_symbol_in_another_script(client: Client, order: PaperOrder) -> None:
    assert client.order(CHINESE, order.order_id) == fields_of(order)


def test_orders_cannot_be_placed_by_any_client(client: Client, exchange: PaperExchange) -> None:
    before = len(exchange.orders)

    error = failure_of(client, lambda: client.place("BTCUSDT"))

    assert "Path /api/v3/order, Method POST is invalid" in error.text
    assert len(exchange.orders) == before


@pytest.mark.parametrize("unit", ["MICROSECOND", "MILLISECOND"])
def test_clients_may_ask_for_times_in_microseconds(url: str, order: PaperOrder, unit: str) -> None:
    one, other = PythonBinance(url), BinanceSdkSpot(url)
    one.client.session.headers["X-MBX-TIME-UNIT"] = unit
    other.client.configuration.time_unit = unit

    read = {one.order(CHINESE, order.order_id), other.order(CHINESE, order.order_id)}

    factor = 1000 if unit == "MICROSECOND" else 1
    assert {fields.created_ms for fields in read} == {order.created_ms * factor}


@dataclass(frozen=True)
class Case:
    """An error of the exchange: its cause, and the exception of each client."""

    code: int
    text: str
    ccxt_error: type[ccxt.BaseError]
    sdk_error: type[Exception]
    fault: Mapping[str, Any] | None = None
    order_id: object = None
    api_key: str = KEY
    api_secret: str = SECRET
    ask: str = "order"

    @property
    def rule(self) -> FaultRule | None:
        return None if self.fault is None else FaultRule(**self.fault)


def refusing(code: int, text: str, status: int = 400) -> Mapping[str, Any]:
    return {
        "route": "order",
        "refusal_rate": 1,
        "refusal_code": code,
        "refusal_message": text,
        "refusal_status": status,
    }


CASES = {
    "no such order": Case(
        -2013, "Order does not exist.", ccxt.OrderNotFound, BadRequestError, order_id=1
    ),
    "symbol delisted": Case(
        -1121,
        "Invalid symbol.",
        ccxt.BadSymbol,
        BadRequestError,
        fault={"delisted_symbols": (CHINESE,)},
    ),
    "archived": Case(
        -2026,
        "has been archived",
        ccxt.ExchangeError,  # InvalidOrder only at https://api.binance.com
        BadRequestError,
        fault={"route": "order", "archived_rate": 1},
    ),
    "too much weight": Case(
        -1003,
        "Too much request weight used",
        ccxt.DDoSProtection,
        TooManyRequestsError,
        fault={"route": "order", "rate_limit_rate": 1},
    ),
    "banned": Case(
        -1003,
        "IP banned until",
        ccxt.DDoSProtection,
        RateLimitBanError,
        fault={"route": "order", "ban_rate": 1},
    ),
    "clock behind": Case(
        -1021,
        "outside of the recvWindow",
        ccxt.InvalidNonce,
        BadRequestError,
        fault={"clock_offset_ms": 600_000},
    ),
    "clock ahead": Case(
        -1021,
        "1000ms ahead of the server's time",
        ccxt.InvalidNonce,
        BadRequestError,
        fault={"clock_offset_ms": -600_000},
    ),
    "wrong signature": Case(
        -1022,
        "Signature for this request is not valid.",
        ccxt.AuthenticationError,
        BadRequestError,
        api_secret="another",
    ),
    "malformed key": Case(
        -2014,
        "API-key format invalid.",
        ccxt.AuthenticationError,
        UnauthorizedError,
        fault=refusing(-2014, "API-key format invalid.", 401),
    ),
    "unknown key": Case(
        -2015,
        "Invalid API-key, IP, or permissions for action.",
        ccxt.AuthenticationError,
        UnauthorizedError,
        api_key="another",
    ),
    "illegal characters": Case(
        -1100,
        "Illegal characters found in parameter 'orderId'",
        ccxt.BadRequest,
        BadRequestError,
        order_id="1.5",
    ),
    "parameter missing": Case(
        -1102,
        "was not sent, was empty/null, or malformed",
        ccxt.BadRequest,
        BadRequestError,
        fault=refusing(
            -1102, "Mandatory parameter 'x' was not sent, was empty/null, or malformed."
        ),
    ),
    "internal error": Case(
        -1001,
        "Internal error",
        ccxt.OperationFailed,
        ServerError,
        fault={"route": "order", "error_rate": 1},
    ),
    "no such path": Case(
        -5000,
        "Path /api/v3/depth, Method GET is invalid",
        ccxt.ExchangeError,
        NotFoundError,
        ask="depth",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("client_type", CLIENTS, ids=lambda client_type: str(client_type.name))
def test_errors_raise_the_clients_own_exceptions(
    url: str, exchange: PaperExchange, order: PaperOrder, client_type: type[Client], case: Case
) -> None:
    client_type(url).load()
    client = client_type(url, case.api_key, case.api_secret)
    client.load()
    if case.rule is not None:
        exchange.faults.set(case.rule, exchange.clock_ms())
    order_id = order.order_id if case.order_id is None else case.order_id

    error = failure_of(
        client,
        lambda: client.depth(CHINESE) if case.ask == "depth" else client.order(CHINESE, order_id),
    )

    match client:
        case Ccxt():
            assert issubclass(error.error_type, case.ccxt_error)
            assert f'"code":{case.code},' in error.text
        case PythonBinance():
            assert (error.error_type, error.code) == (BinanceAPIException, case.code)
        case BinanceSdkSpot():
            assert error.error_type is case.sdk_error
            assert error.code == (500 if case.sdk_error is ServerError else case.code)
    assert case.text in error.text or error.error_type is ServerError


@pytest.mark.parametrize("client_type", CLIENTS, ids=lambda client_type: str(client_type.name))
def test_html_page_of_a_firewall_is_an_error_to_each_client(
    url: str, exchange: PaperExchange, order: PaperOrder, client_type: type[Client]
) -> None:
    client = client_type(url)
    client.load()
    exchange.faults.set(FaultRule(route="order", firewall_rate=1), exchange.clock_ms())

    error = failure_of(client, lambda: client.order(CHINESE, order.order_id))

    assert error.error_type in (ccxt.ExchangeNotAvailable, BinanceAPIException, ForbiddenError)


@pytest.mark.parametrize(("kind", "status"), [("rate_limit", 429), ("ban", 418)])
def test_official_client_reads_how_long_to_wait(
    url: str, exchange: PaperExchange, order: PaperOrder, kind: str, status: int
) -> None:
    rule = {f"{kind}_rate": 1, "retry_after_seconds": 30, "ban_seconds": 120}
    exchange.faults.set(FaultRule(**rule), exchange.clock_ms())  # type: ignore[arg-type]  # numbers

    with pytest.raises((TooManyRequestsError, RateLimitBanError)) as caught:
        BinanceSdkSpot(url).order(CHINESE, order.order_id)

    error = caught.value
    assert isinstance(error, TooManyRequestsError | RateLimitBanError)
    assert error.retry_after == {429: 30, 418: 120}[status]
