"""An order as an exchange has it: a documented row for each, through ccxt's own parser.

The rows are those in the comments of ccxt 4.5.90 and of the exchanges' documentation, read
2026-11-29.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from reconciler.domain.report import Report
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.ccxt.client import open_client
from reconciler.exchanges.ccxt.reports import to_report
from reconciler.settings import Credentials

Json = dict[str, Any]

NOW = datetime(2026, 11, 29, tzinfo=UTC)
REF = OrderRef(symbol="BTC/USDT", external_order_id="1234567890123456789")
PLACED_MS = 1764000000000
MARKET = {
    "id": "BTCUSDT",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "spot": True,
    "type": "spot",
    "contract": False,
    "precision": {"amount": 8, "price": 2},
    "limits": {},
    "info": {},
}


def parsed(exchange_id: str, raw: Any) -> Any:
    """Return the row as ccxt parses it."""
    client = _client(exchange_id)
    return client.parse_order(raw, client.safe_market_structure(MARKET))


@cache
def _client(exchange_id: str) -> Any:
    return open_client(exchange_id, Credentials(), base_url="", now_ms=lambda: PLACED_MS)


def report(exchange_id: str, raw: Any) -> Report:
    """Return the report of the row."""
    return to_report(REF, parsed(exchange_id, raw), NOW)


def raw_order(exchange_id: str, word: str, executed: str, **changed: object) -> Any:
    """Return the row of a limit order of 2 at 100, of which `executed` was traded at 99."""
    row = _ROWS[exchange_id](word, float(executed))
    return {**row, **changed} if isinstance(row, dict) else {"result": row}


def _binance(word: str, executed: float) -> Json:
    return {
        "symbol": "BTCUSDT",
        "orderId": 1234567890123456789,
        "clientOrderId": "mine",
        "price": "100.00",
        "origQty": "2.0",
        "executedQty": str(executed),
        "cummulativeQuoteQty": str(executed * 99),
        "status": word,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "time": PLACED_MS,
    }


def _bybit(word: str, executed: float) -> Json:
    return {
        "orderId": REF.external_order_id,
        "symbol": "BTCUSDT",
        "side": "Buy",
        "orderType": "Limit",
        "orderStatus": word,
        "price": "100",
        "qty": "2",
        "cumExecQty": str(executed),
        "cumExecValue": str(executed * 99),
        "avgPrice": "99" if executed else "",
        "createdTime": str(PLACED_MS),
    }


def _okx(word: str, executed: float) -> Json:
    return {
        "ordId": REF.external_order_id,
        "instId": "BTC-USDT",
        "instType": "SPOT",
        "ordType": "limit",
        "side": "buy",
        "px": "100",
        "sz": "2",
        "accFillSz": str(executed),
        "avgPx": "99" if executed else "",
        "state": word,
        "cTime": str(PLACED_MS),
    }


def _kraken(word: str, executed: float) -> Json:
    return {
        "id": REF.external_order_id,
        "status": word,
        "opentm": PLACED_MS / 1000,
        "descr": {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "price": "100"},
        "vol": "2",
        "vol_exec": str(executed),
        "cost": str(executed * 99),
        "price": "99" if executed else "0",
    }


def _coinbase(word: str, executed: float) -> Json:
    limit = {"base_size": "2", "limit_price": "100", "post_only": False}
    return {
        "order_id": REF.external_order_id,
        "product_id": "BTC-USDT",
        "side": "BUY",
        "order_type": "LIMIT",
        "order_configuration": {"limit_limit_gtc": limit},
        "status": word,
        "filled_size": str(executed),
        "average_filled_price": "99" if executed else "0",
        "filled_value": str(executed * 99),
        "created_time": "2025-11-24T16:00:00Z",
    }


def _gate(word: str, executed: float) -> Json:
    return {
        "id": REF.external_order_id,
        "text": "t-mine",
        "create_time_ms": PLACED_MS,
        "currency_pair": "BTC_USDT",
        "status": "open" if word == "open" else "closed",
        "finish_as": word,
        "type": "limit",
        "account": "spot",
        "side": "buy",
        "amount": "2",
        "price": "100",
        "time_in_force": "gtc",
        "left": str(2 - executed),
        "filled_total": str(executed * 99),
        "avg_deal_price": "99" if executed else "0",
    }


def _kucoin(word: str, executed: float) -> Json:
    return {
        "id": REF.external_order_id,
        "symbol": "BTC-USDT",
        "type": "limit",
        "side": "buy",
        "price": "100",
        "size": "2",
        "funds": "200",
        "dealSize": str(executed),
        "dealFunds": str(executed * 99),
        "createdAt": PLACED_MS,
        "active": word == "active",
        "cancelExist": word == "canceled",
        "remainSize": "0" if word != "active" else str(2 - executed),
        "cancelledSize": str(2 - executed) if word == "canceled" else "0",
        "cancelledFunds": "1" if word == "canceled" else "0",
    }


def _bitget(word: str, executed: float) -> Json:
    return {
        "userId": "1",
        "symbol": "BTCUSDT",
        "orderId": REF.external_order_id,
        "clientOid": "mine",
        "size": "2",
        "price": "100",
        "orderType": "limit",
        "side": "buy",
        "status": word,
        "priceAvg": "99" if executed else "0",
        "baseVolume": str(executed),
        "quoteVolume": str(executed * 99),
        "cTime": str(PLACED_MS),
    }


def _htx(word: str, executed: float) -> Json:
    return {
        "id": 1234567890123456789,
        "symbol": "btcusdt",
        "amount": "2",
        "price": "100",
        "created-at": PLACED_MS,
        "type": "buy-limit",
        "field-amount": str(executed),
        "field-cash-amount": str(executed * 99),
        "state": word,
    }


def _mexc(word: str, executed: float) -> Json:
    return {**_binance(word, executed), "orderId": "1234567890123456789"}


def _bitfinex(word: str, executed: float) -> list[object]:
    """Return a sale: its amounts are below zero."""
    return [
        *(int(REF.external_order_id), None, 7, "tBTCUST", PLACED_MS, PLACED_MS),
        *(str(executed - 2), "-2", "EXCHANGE LIMIT", None, None, None, 0, word, None, None),
        *("100", "99" if executed else "0", "0", "0"),
    ]


def _bitstamp(word: str, executed: float) -> Json:
    trade = {"tid": 1, "price": "99", "type": 2, "btc": str(executed), "usdt": str(executed * 99)}
    return {
        "id": 1234567890123456789,
        "status": word,
        "amount_remaining": str(2 - executed),
        "transactions": [trade] if executed else [],
    }


_ROWS: Mapping[str, Callable[[str, float], Json | list[object]]] = {
    "binance": _binance,
    "bybit": _bybit,
    "okx": _okx,
    "kraken": _kraken,
    "coinbase": _coinbase,
    "gate": _gate,
    "kucoin": _kucoin,
    "bitget": _bitget,
    "htx": _htx,
    "mexc": _mexc,
    "bitfinex": _bitfinex,
    "bitstamp": _bitstamp,
}
EXCHANGES = tuple(_ROWS)
