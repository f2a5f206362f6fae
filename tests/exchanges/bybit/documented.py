"""What Bybit's documentation says, as data for the tests.

Source: docs/v5 of github.com/bybit-exchange/docs, commit 072c197 of 2026-07-24, read 2026-11-28.
"""

from typing import Any

STATUSES = (
    *("New", "PartiallyFilled", "Untriggered"),
    *("Rejected", "PartiallyFilledCanceled", "Filled", "Cancelled", "Triggered", "Deactivated"),
)
"""enum.mdx, "orderStatus"."""

CODES = (
    *(-2015, -1, 429, 10000, 10001, 10002, 10003, 10004, 10005, 10006, 10007, 10008, 10009, 10010),
    *(10014, 10016, 10017, 10018, 10024, 10027, 10028, 10029, 30035, 30133, 30134, 30135, 30136),
    *(30208, 30209, 30228, 30256, 33004, 34040, 40004, 100028, 110001),
    *(number for number in range(110003, 110081)),
    *(110082, 110083, *range(110085, 110091), *range(110092, 110122), *range(110123, 110126)),
    *(110131, 110132, 110135, 110136, 110137),
    *(170001, 170005, 170007, 170010, 170011, 170019, *range(170031, 170038), 170105),
    *(170115, 170116, 170117, 170121, 170124, *range(170130, 170135), 170136, 170137),
    *(*range(170139, 170152), 170157, 170159, *range(170190, 170205), 170206, 170207, 170209),
    *(170210, 170212, 170213, *range(170215, 170225), *range(170226, 170231), 170234, 170241),
    *(170310, 170311, 170312, 170313, 170341, 170344, 170346, 170348, 170355, 170358, 170359),
    *(170360, 170371, 170372, 170381, 170382, 170709, 170810, 181017, 182011),
    *(182100, 182101, 182102, 182103, 182108, 182110, 182111, 182112, 500010, 500011),
    *(3100181, 3100197, 3100326, 3200316, 3200317, 3200320, 3200403, 3200419, 3200425, 3200641),
    *(3400052, 3400053, 3400054, 3400071, 3400139, *range(3400208, 3400215), 3401010),
)
"""error.mdx, the sections UTA and Spot Trade."""

HTTP_STATUSES = (400, 401, 403, 404, 429)
"""error.mdx, "HTTP Code"."""

ORDER: dict[str, Any] = {
    "orderId": "1321052653536515584",
    "orderLinkId": "1672217748277652",
    "blockTradeId": "",
    "symbol": "ETHUSDT",
    "price": "1000",
    "qty": "0.1",
    "side": "Buy",
    "isLeverage": "0",
    "positionIdx": 0,
    "orderStatus": "Cancelled",
    "cancelType": "UNKNOWN",
    "rejectReason": "EC_NoError",
    "avgPrice": "",
    "leavesQty": "0.000",
    "leavesValue": "0",
    "cumExecQty": "0.000",
    "cumExecValue": "0",
    "cumExecFee": "0",
    "timeInForce": "GTC",
    "orderType": "Limit",
    "stopOrderType": "tpslOrder",
    "marketUnit": "",
    "triggerPrice": "1500",
    "basePrice": "1200",
    "reduceOnly": False,
    "closeOnTrigger": False,
    "smpType": "None",
    "createdTime": "1672217748287",
    "updatedTime": "1672217748287",
    "cumFeeDetail": {"MNT": "0.00242968"},
}
"""A spot order with the fields of order/order-list.mdx, and an id as Bybit gives it."""


def an_order(**fields: Any) -> dict[str, Any]:
    """Return `ORDER` with other values for some fields; None leaves a field out."""
    changed = {**ORDER, **fields}
    return {name: value for name, value in changed.items() if value is not None}


def a_page(*orders: Any, cursor: str = "", **result: Any) -> dict[str, Any]:
    """Return the answer to a list."""
    listed = {"category": "spot", "list": list(orders), "nextPageCursor": cursor, **result}
    return an_answer(listed)


def an_answer(result: Any, *, code: int = 0, message: str = "OK") -> dict[str, Any]:
    """Return an answer in its envelope."""
    return {
        "retCode": code,
        "retMsg": message,
        "result": result,
        "retExtInfo": {},
        "time": 1684766282976,
    }
