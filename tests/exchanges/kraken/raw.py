"""Raw orders of Kraken: documented ones, and generated ones of every status."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from reconciler.exchanges.json_answers import UnreadableOrder
from reconciler.exchanges.kraken.constants import STATUSES
from reconciler.exchanges.kraken.raw_orders import RawOrder, decode_queried

TXID = "OQCLML-BW3P3-BUCMWZ"

CLOSED: Mapping[str, Any] = {
    "refid": None,
    "userref": None,
    "status": "closed",
    "reason": None,
    "opentm": 1586822919.3342,
    "closetm": 1586822919.365,
    "starttm": 0,
    "expiretm": 0,
    "descr": {
        "pair": "XBTUSDT",
        "type": "sell",
        "ordertype": "market",
        "price": "0",
        "price2": "0",
        "leverage": "none",
        "order": "sell 0.21804000 XBTUSDT @ market",
        "close": "",
    },
    "vol": "0.21804000",
    "vol_exec": "0.21804000",
    "cost": "1493.9",
    "fee": "3.8",
    "price": "6851.5",
    "stopprice": "0.00000",
    "limitprice": "0.00000",
    "misc": "",
    "oflags": "fciq",
    "trades": ["TT5UC3-GOIRW-6AZZ6R"],
}
"""github.com/ccxt/ccxt, `kraken.py`, `fetchOrder`: an answer of the exchange; read 2026-11-28."""

CANCELED: Mapping[str, Any] = {
    "refid": None,
    "userref": 1000,
    "status": "canceled",
    "reason": "User requested",
    "opentm": 1550101012.7873,
    "closetm": 1550101338.364,
    "starttm": 0,
    "expiretm": 0,
    "descr": {
        "pair": "DASHUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "1.000",
        "price2": "0",
        "leverage": "none",
        "order": "buy 10.00000000 DASHUSD @ limit 1.000",
        "close": "",
    },
    "vol": "10.00000000",
    "vol_exec": "0.00000000",
    "cost": "0.000000",
    "fee": "0.000000",
    "price": "0.000000",
    "stopprice": "0.000000",
    "limitprice": "0.000000",
    "misc": "",
    "oflags": "fciq",
}
"""api-specs, `spot-rest/responses/user/orders/closed.yaml`; read 2026-11-28."""

OPEN: Mapping[str, Any] = {
    "refid": None,
    "userref": None,
    "cl_ord_id": "1234",
    "status": "open",
    "opentm": 1733815269.370054,
    "starttm": 0,
    "expiretm": 0,
    "descr": {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "70000.0",
        "price2": "0",
        "leverage": "none",
        "order": "buy 0.00010000 XBTUSD @ limit 70000.0",
        "close": "",
    },
    "vol": "0.00010000",
    "vol_exec": "0.00000000",
    "cost": "0.00000",
    "fee": "0.00000",
    "price": "0.00000",
    "stopprice": "0.00000",
    "limitprice": "0.00000",
    "misc": "",
    "oflags": "fciq",
}
"""github.com/ccxt/ccxt, `kraken.py`, `fetchOpenOrders`; read 2026-11-28."""

QUOTE_SIZED: Mapping[str, Any] = {
    **CLOSED,
    "descr": {**CLOSED["descr"], "type": "buy", "order": "buy 60.00000000 XBTUSDT @ market"},
    "vol": "60.00000000",
    "vol_exec": "0.00119975",
    "cost": "60.00000",
    "price": "50010.5",
    "oflags": "fciq,viqc",
}


def body_of(orders: Mapping[str, object], name: str | None = None) -> bytes:
    """Return an answer with these orders: of QueryOrders, or of a list."""
    result = orders if name is None else {name: orders}
    return json.dumps({"error": [], "result": result}).encode()


def decoded_order(order: Mapping[str, object]) -> RawOrder:
    """Return an order as the decoder gives it."""
    decoded = decode_queried(body_of({TXID: order}))[TXID]
    assert not isinstance(decoded, UnreadableOrder), decoded
    return decoded


_TERMS = {
    "limit": "limit 70000.0",
    "market": "market",
    "iceberg": "limit 70000.0",
    "stop-loss": "stop loss 69000.0",
    "take-profit-limit": "take profit 71000.0 -> limit 70000.0",
    "trailing-stop": "trailing stop +5.0000%",
}
"""The end of an order's description, by its type."""


@st.composite
def raw_orders(draw: st.DrawFn) -> dict[str, Any]:
    """Generate an order that does not contradict itself, as Kraken writes it."""
    price_places = draw(st.integers(0, 8))
    price = draw(st.integers(1, 10**9))
    ordered = draw(st.integers(1, 10**12))
    status = draw(st.sampled_from(sorted(STATUSES)))
    executed = {
        "closed": ordered,
        "pending": 0,
    }.get(status, draw(st.integers(0, ordered)))
    average = Decimal(price).scaleb(-price_places)
    volume, filled = Decimal(ordered).scaleb(-8), Decimal(executed).scaleb(-8)
    cost = average * filled
    side = draw(st.sampled_from(["buy", "sell"]))
    kind = draw(st.sampled_from(sorted(_TERMS)))
    pair = draw(st.sampled_from(["XBTUSD", "XXBTZUSD", "XBT/USD", "ETHXBT", "ADAUSDT", "GONEUSD"]))
    opened = draw(st.integers(1_300_000_000_0000, 1_900_000_000_0000))
    order = {
        **OPEN,
        "status": status,
        "opentm": opened / 10_000,
        "cl_ord_id": draw(st.none() | st.uuids().map(str)),
        "descr": {
            **OPEN["descr"],
            "pair": pair,
            "type": side,
            "ordertype": kind,
            "order": f"{side} {volume:.8f} {pair} @ {_TERMS[kind]}",
        },
        "vol": f"{volume:.8f}",
        "vol_exec": f"{filled:.8f}",
        "cost": f"{cost:.{draw(st.integers(4, 10))}f}",
        "price": f"{average if executed else 0:.{price_places}f}",
        "oflags": draw(st.sampled_from(["fciq", "fcib", "post,fciq", "fciq,nompp", ""])),
    }
    if status in {"closed", "canceled", "expired"}:
        order["closetm"] = (opened + draw(st.integers(0, 10**9))) / 10_000
    return order
