"""Answers as OKX's API guide shows them (https://www.okx.com/docs-v5/en/, read 2026-11-28)."""

import json
from typing import Any

Json = dict[str, Any]

FILLED_MARKET_ORDER: Json = {
    # "Order details" and both histories show this order: 100 USDT for BTC.
    "accFillSz": "0.00192834",
    "algoClOrdId": "",
    "algoId": "",
    "attachAlgoClOrdId": "",
    "attachAlgoOrds": [],
    "avgPx": "51858",
    "cTime": "1708587373361",
    "cancelSource": "",
    "cancelSourceReason": "",
    "category": "normal",
    "ccy": "",
    "clOrdId": "",
    "fee": "-0.00000192834",
    "feeCcy": "BTC",
    "fillPx": "51858",
    "fillSz": "0.00192834",
    "fillTime": "1708587373361",
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "isTpLimit": "false",
    "lever": "",
    "linkedAlgoOrd": {"algoId": ""},
    "ordId": "680800019749904384",
    "ordType": "market",
    "pnl": "0",
    "posSide": "net",
    "px": "",
    "pxType": "",
    "pxUsd": "",
    "pxVol": "",
    "quickMgnType": "",
    "rebate": "0",
    "rebateCcy": "USDT",
    "reduceOnly": "false",
    "side": "buy",
    "slOrdPx": "",
    "slTriggerPx": "",
    "slTriggerPxType": "",
    "source": "",
    "state": "filled",
    "stpId": "",
    "stpMode": "",
    "sz": "100",
    "tag": "",
    "tdMode": "cash",
    "tgtCcy": "quote_ccy",
    "tpOrdPx": "",
    "tpTriggerPx": "",
    "tpTriggerPxType": "",
    "tradeId": "744876980",
    "tradeQuoteCcy": "USDT",
    "uTime": "1708587373362",
}

TIME: Json = {"code": "0", "msg": "", "data": [{"ts": "1597026383085"}]}

INSTRUMENT: Json = {
    # "Get instruments", without the fields that nothing reads.
    "alias": "",
    "baseCcy": "BTC",
    "instId": "BTC-USDT",
    "instType": "SPOT",
    "lever": "10",
    "listTime": "1606468572000",
    "lotSz": "0.00000001",
    "minSz": "0.00001",
    "quoteCcy": "USDT",
    "tradeQuoteCcyList": ["USDT"],
    "state": "live",
    "tickSz": "0.1",
    "instIdCode": 1000000000,
    "upcChg": [{"param": "tickSz", "newValue": "0.0001", "effTime": "1704876947000"}],
}

STATES = frozenset({"live", "partially_filled", "filled", "canceled", "mmp_canceled"})
"""The `state`s of "Order details"."""

# "REST API error codes": all of the general and the API class.
CODES = frozenset(
    [
        "1",
        "2",
        *map(str, (50000, 50001, 50002, *range(50004, 50031), 50032, 50033)),
        *map(str, (*range(50035, 50043), *range(50044, 50054), *range(50055, 50065))),
        *map(str, (50067, 50069, 50071, 50072, 50075, 50076, 50077)),
        *map(str, (*range(50100, 50117), *range(50118, 50123))),
    ]
)


def answer(*rows: object, code: object = "0", msg: str = "") -> bytes:
    """Return an answer with these rows."""
    return json.dumps({"code": code, "msg": msg, "data": list(rows)}).encode()


def an_order(**fields: object) -> Json:
    """Return a limit order of which nothing is filled, with changes."""
    return {
        **FILLED_MARKET_ORDER,
        "accFillSz": "0",
        "avgPx": "",
        "clOrdId": "b15",
        "fee": "0",
        "feeCcy": "",
        "fillPx": "",
        "fillSz": "0",
        "fillTime": "",
        "ordId": "1753197687182819328",
        "ordType": "limit",
        "px": "2.15",
        "state": "live",
        "sz": "2",
        "tgtCcy": "",
        "tradeId": "",
        **fields,
    }
