"""The five exchanges as the ccxt bridge meets them: `ccxt:kraken` and so on.

The server answers as for our own adapter; only the list of markets says more, since ccxt reads more
of it. What differs is data: the symbols are ccxt's, an error becomes what ccxt makes of it, and
`does_not_apply` says which scenarios cannot be asked of the bridge, and why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar

from reconciler.domain.report import Absent, OrderFault
from reconciler.domain.status import Status
from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from reconciler.exchanges.ccxt.errors import BAN_PAUSE_SECONDS, DEFAULT_PAUSE_SECONDS
from tests.exchanges.contract import binance, bybit, coinbase, kraken, okx
from tests.exchanges.contract.dialect import (
    Dialect,
    ErrorCase,
    HeldOrder,
    Json,
    Reply,
    Request,
    RequestKind,
    StatusCase,
    a_reply,
)

Becomes = type[ExchangeError | Absent | OrderFault]
_NOT_FOUND_IS_AN_ERROR = (
    "what Coinbase says of an order that does not exist is an error as any other to ccxt"
)
_MUTATED = {
    "test_mutated_answers_become_a_report_a_hold_or_a_named_error": (
        "the bridge keeps the markets that it has read: a mutated list leaves no order to ask for"
    )
}


class ThroughCcxt(Dialect):
    """An exchange as the bridge meets it.

    Attributes:
        native: The same exchange as our own adapter meets it.
        native_symbols: The exchange's own, in the order of `symbols`.
        also_asked: What ccxt reads besides, to load the markets: the answer by path.
    """

    native: ClassVar[Dialect]
    native_symbols: ClassVar[tuple[str, str, str]]
    also_asked: ClassVar[Mapping[str, object]] = MappingProxyType({})
    account_identity = None
    account_request = RequestKind.LIST
    always_refused_becomes = ClockSkew

    def order_id(self, number: int) -> str:
        """Return the exchange's id."""
        return self.native.order_id(number)

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        return (
            RequestKind.SYMBOLS if request.path in self.also_asked else self.native.kind_of(request)
        )

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the id of a look-up."""
        return self.native.ids_in(request)

    def page_of(self, request: Request) -> str | None:
        """Return the cursor of a later page."""
        return self.native.page_of(request)

    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented."""
        if request.path in self.also_asked:
            return a_reply(self.also_asked[request.path])
        if self.kind_of(request) is RequestKind.SYMBOLS:
            return self.markets()
        spelled = dict(zip(self.symbols, self.native_symbols, strict=True))
        held = [replace(one, symbol=spelled.get(one.symbol, one.symbol)) for one in orders]
        return self.native.answer(request, held, now)

    def markets(self) -> Reply:
        """Return the list of markets, with all that ccxt reads of it."""
        raise NotImplementedError

    def pairs(self) -> Iterable[tuple[str, str, str]]:
        """Yield the exchange's symbol of each market, its base and its quote."""
        for symbol, own in zip(self.symbols, self.native_symbols, strict=True):
            base, quote = symbol.split("/")
            yield own, base, quote


def errors_of(native: Dialect, changes: Mapping[str, Becomes | float]) -> tuple[ErrorCase, ...]:
    """Return the errors of an exchange with what ccxt makes of them, where that differs.

    A number in `changes` is the pause of a rate limit.
    """
    cases = []
    for case in native.errors:
        if case.name == "firewall":  # Nothing tells it from an outage.
            continue
        change = changes.get(case.name)
        if isinstance(change, int | float):
            cases.append(replace(case, becomes=RateLimited, retry_after_seconds=change))
        elif change is not None:
            cases.append(replace(case, becomes=change, retry_after_seconds=None))
        else:
            cases.append(case)
    assert changes.keys() <= {case.name for case in cases}
    return tuple(cases)


def statuses_of(native: Dialect, changes: Mapping[str, Status]) -> tuple[StatusCase, ...]:
    """Return the statuses of an exchange, with those for which the bridge has another word."""
    return tuple(
        replace(case, status=changes.get(case.word, case.status)) for case in native.statuses
    )


class CcxtBinance(ThroughCcxt):
    """Binance spot through ccxt."""

    does_not_apply: ClassVar[Mapping[str, str]] = _MUTATED
    native = binance.DIALECT
    name = "ccxt:binance"
    also_asked: ClassVar[Mapping[str, object]] = {
        "/sapi/v1/margin/allPairs": [],
        "/sapi/v1/margin/isolated/allPairs": [],
    }
    credentials = native.credentials
    symbols = ("BTC/USDT", "ETH/USDT", "LTC/BTC")
    native_symbols = native.symbols
    unlisted_symbol = "GONE/USDT"
    page_size = None
    one_by_one = frozenset({"ended"})
    partial_then_canceled = native.partial_then_canceled
    statuses = native.statuses
    errors = errors_of(
        native,
        {
            "429 without a time": BAN_PAUSE_SECONDS,
            "ban without a time": BAN_PAUSE_SECONDS,
            "bad request": RequestRejected,
            "again -1016": RequestRejected,
            # To ccxt these are errors as any other.
            "bad key -2008": Unavailable,
            "archived": Unavailable,
            "unknown code": Unavailable,
        },
    )
    not_found = native.not_found
    clock_refusals = native.clock_refusals
    decides_nothing = native.decides_nothing
    decides = native.decides
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "executedQty": (None, "", "NaN", "-1", "1e3", [], {}),
        "status": (None,),
        "origQty": ("0.00000001",),
    }

    def markets(self) -> Reply:
        """Return `exchangeInfo`."""
        return a_reply(
            {
                "symbols": [
                    {
                        "symbol": own,
                        "status": "TRADING",
                        "baseAsset": base,
                        "quoteAsset": quote,
                        "baseAssetPrecision": 8,
                        "quoteAssetPrecision": 8,
                        "isSpotTradingAllowed": True,
                        "permissions": [],
                        "permissionSets": [["SPOT"]],
                        "orderTypes": ["LIMIT"],
                        "filters": [],
                    }
                    for own, base, quote in self.pairs()
                ]
            }
        )


class CcxtBybit(ThroughCcxt):
    """Bybit v5 spot through ccxt."""

    does_not_apply: ClassVar[Mapping[str, str]] = _MUTATED
    native = bybit.DIALECT
    name = "ccxt:bybit"
    credentials = native.credentials
    symbols = ("BTC/USDT", "ETH/USDT", "SOL/USDC")
    native_symbols = native.symbols
    unlisted_symbol = "GONE/USDT"
    page_size = native.page_size
    partial_then_canceled = native.partial_then_canceled
    statuses = statuses_of(native, {"Triggered": Status.NEW})
    statuses_that_it_has_not = native.statuses_that_it_has_not
    errors = errors_of(
        native,
        {
            # ccxt passes no header of Bybit's on.
            "10006 with a time": DEFAULT_PAUSE_SECONDS,
            "10006 without a time": DEFAULT_PAUSE_SECONDS,
            "403 of the address": DEFAULT_PAUSE_SECONDS,
            "unknown code": Unavailable,
        },
    )
    not_found = native.not_found
    clock_refusals = native.clock_refusals
    decides_nothing = native.decides_nothing
    decides = native.decides
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "cumExecQty": (None, "", "NaN", "-1", "1e3", []),
        "orderStatus": (None,),
        "qty": ("0.00000001",),
    }

    def markets(self) -> Reply:
        """Return `instruments-info`."""
        rows = [
            {
                "symbol": own,
                "baseCoin": base,
                "quoteCoin": quote,
                "status": "Trading",
                "marginTrading": "none",
                "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.01"},
                "priceFilter": {"tickSize": "0.01"},
            }
            for own, base, quote in self.pairs()
        ]
        result = {"category": "spot", "list": rows, "nextPageCursor": ""}
        return a_reply({"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}})


class CcxtCoinbase(ThroughCcxt):
    """Coinbase Advanced through ccxt."""

    does_not_apply: ClassVar[Mapping[str, str]] = {
        "test_every_class_of_error_is_among_the_documented_ones": _NOT_FOUND_IS_AN_ERROR,
        "test_orders_that_are_not_there_are_absent_and_no_others": _NOT_FOUND_IS_AN_ERROR,
        "test_key_with_all_rights_may_use_every_kind_of_request": _NOT_FOUND_IS_AN_ERROR,
        **_MUTATED,
    }
    native = coinbase.DIALECT
    name = "ccxt:coinbase"
    also_asked: ClassVar[Mapping[str, object]] = {
        "/api/v3/brokerage/transaction_summary": {"fee_tier": {}},
        "/v2/currencies": {"data": []},
        "/v2/currencies/crypto": {"data": []},
    }
    credentials = native.credentials
    symbols = ("BTC/USD", "ETH/USD", "SOL/USDC")
    native_symbols = native.symbols
    unlisted_symbol = "GONE/USD"
    page_size = 100
    partial_then_canceled = native.partial_then_canceled
    statuses = native.statuses
    statuses_that_it_has_not = native.statuses_that_it_has_not
    errors = errors_of(
        native,
        {
            "429 without a time": DEFAULT_PAUSE_SECONDS,
            "404 of another thing": Unavailable,
            "unknown word": Unavailable,
        },
    )
    not_found: ClassVar[Mapping[str, Reply]] = {}
    clock_refusals: ClassVar[Mapping[str, Reply]] = {}
    decides_nothing = native.decides_nothing
    decides = ("status", "filled_size")
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "filled_size": (None, "", "NaN", "-1", "1e3", []),
        "status": (None,),
        "order_configuration": ({"limit_limit_gtc": {"base_size": "0.00000001"}},),
    }

    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for."""
        return RequestKind.TIME if request.path == "/v2/time" else super().kind_of(request)

    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented."""
        if request.path == "/v2/time":
            return a_reply({"data": {"iso": f"{now:%Y-%m-%dT%H:%M:%SZ}", "epoch": now.timestamp()}})
        return super().answer(request, orders, now)

    def markets(self) -> Reply:
        """Return `products`."""
        rows: list[Json] = [
            {
                "product_id": own,
                "base_currency_id": base,
                "quote_currency_id": quote,
                "product_type": "SPOT",
                "status": "online",
                "base_increment": "0.00000001",
                "quote_increment": "0.01",
                "price_increment": "0.01",
            }
            for own, base, quote in self.pairs()
        ]
        return a_reply({"products": rows, "num_products": len(rows)})


class CcxtKraken(ThroughCcxt):
    """Kraken spot through ccxt."""

    does_not_apply: ClassVar[Mapping[str, str]] = {
        **_MUTATED,
        "test_answer_about_another_order_is_no_answer": (
            "Kraken's answer to a look-up has the orders by id, and ccxt finds none of ours"
        ),
    }
    native = kraken.DIALECT
    name = "ccxt:kraken"
    credentials = native.credentials
    symbols = ("BTC/USD", "ETH/USD", "BTC/USDT")
    native_symbols = native.symbols
    unlisted_symbol = "GONE/USD"
    page_size = None
    one_by_one = frozenset({"ended"})
    partial_then_canceled = native.partial_then_canceled
    statuses = native.statuses
    statuses_that_it_has_not = native.statuses_that_it_has_not
    errors = errors_of(
        native,
        {
            "rate limit without a time": BAN_PAUSE_SECONDS,
            "lockout": BAN_PAUSE_SECONDS,
            # To ccxt these are errors as any other.
            "throttled until a time": Unavailable,
            "EAPI:Invalid signature": Unavailable,
            "unknown error": Unavailable,
        },
    )
    not_found: ClassVar[Mapping[str, Reply]] = {
        name: reply for name, reply in native.not_found.items() if name != "unknown order"
    }
    clock_refusals = native.clock_refusals
    decides_nothing = native.decides_nothing
    decides = native.decides
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "vol_exec": (None, "", "NaN", "-1", "1e3", []),
        "status": (None,),
        "vol": ("0.00000001",),
    }

    def markets(self) -> Reply:
        """Return `AssetPairs`."""
        ids = ("XXBTZUSD", "XETHZUSD", "XBTUSDT")
        rows = {
            market_id: {
                "altname": own,
                "wsname": own,
                "base": {"BTC": "XXBT", "ETH": "XETH"}[base],
                "quote": {"USD": "ZUSD", "USDT": "USDT"}[quote],
                "pair_decimals": 1,
                "lot_decimals": 8,
                "status": "online",
                "ordermin": "0.0001",
            }
            for market_id, (own, base, quote) in zip(ids, self.pairs(), strict=True)
        }
        return a_reply({"error": [], "result": rows})


class CcxtOkx(ThroughCcxt):
    """OKX v5 spot through ccxt."""

    does_not_apply: ClassVar[Mapping[str, str]] = _MUTATED
    native = okx.DIALECT
    name = "ccxt:okx"
    credentials = native.credentials
    symbols = ("BTC/USDT", "ETH/USDT", "SOL/USDC")
    native_symbols = native.symbols
    unlisted_symbol = "GONE/USDT"
    page_size = native.page_size
    partial_then_canceled = native.partial_then_canceled
    statuses = native.statuses
    statuses_that_it_has_not = native.statuses_that_it_has_not
    errors = errors_of(
        native,
        {
            "50011 without a time": DEFAULT_PAUSE_SECONDS,
            # To ccxt these are errors as any other.
            "50040 with 200": Unavailable,
            "unknown code": Unavailable,
        },
    )
    not_found = native.not_found
    # To ccxt a timestamp in a wrong form, 50112, is a bad key.
    clock_refusals: ClassVar[Mapping[str, Reply]] = {"50102": native.clock_refusals["50102"]}
    decides_nothing = native.decides_nothing
    decides = native.decides
    bad_values: ClassVar[Mapping[str, Sequence[object]]] = {
        "accFillSz": (None, "", "NaN", "-1", "1e3", []),
        "state": (None,),
        "sz": ("0.00000001",),
    }

    def markets(self) -> Reply:
        """Return `instruments`."""
        rows = [
            {
                "instType": "SPOT",
                "instId": own,
                "baseCcy": base,
                "quoteCcy": quote,
                "state": "live",
                "tickSz": "0.1",
                "lotSz": "0.00000001",
                "minSz": "0.00001",
            }
            for own, base, quote in self.pairs()
        ]
        return a_reply({"code": "0", "msg": "", "data": rows})


DIALECTS: tuple[ThroughCcxt, ...] = (
    CcxtBinance(),
    CcxtBybit(),
    CcxtCoinbase(),
    CcxtKraken(),
    CcxtOkx(),
)
