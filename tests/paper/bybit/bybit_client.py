"""A client of Bybit's API with nothing but the documentation's signature, for these tests."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx

from reconciler.paper.exchange import PaperExchange

KEY, SECRET = "made-up-key", "made-up-secret"
WINDOW = 5000


@dataclass(frozen=True, kw_only=True)
class BybitClient:
    """Sends signed requests to the paper exchange."""

    exchange: PaperExchange
    http: httpx.Client

    def send(
        self,
        path: str,
        *,
        ahead_ms: int = 0,
        secret: str = SECRET,
        without: str = "",
        window: int = WINDOW,
        key: str = KEY,
        **parameters: Any,
    ) -> httpx.Response:
        """Send a GET, by default with `category=spot`, at the exchange's time plus `ahead_ms`."""
        query = urlencode({"category": "spot", **parameters})
        timestamp = str(self.exchange.clock_ms() + ahead_ms)
        signed = f"{timestamp}{key}{window}{query}"
        headers = {
            "X-BAPI-API-KEY": key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": str(window),
            "X-BAPI-SIGN": hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest(),
        }
        headers.pop(without, None)
        return self.http.get(f"{path}?{query}", headers=headers)

    def code(self, path: str, **how: Any) -> int:
        """Return the `retCode` of an answer."""
        code: int = self.send(path, **how).json()["retCode"]
        return code

    def result(self, path: str, **how: Any) -> dict[str, Any]:
        """Return the result of a request that is answered."""
        answer = self.send(path, **how).json()
        assert answer["retCode"] == 0, answer
        result: dict[str, Any] = answer["result"]
        return result

    def ids(self, path: str, **how: Any) -> list[str]:
        """Return the ids of the orders of one page."""
        return [order["orderId"] for order in self.result(path, **how)["list"]]

    def walk(self, path: str, **how: Any) -> list[dict[str, Any]]:
        """Return the orders of all pages, as a client reads them that follows each cursor."""
        orders: list[dict[str, Any]] = []
        page = self.result(path, **how)
        while page["list"]:
            orders += page["list"]
            page = self.result(path, **how, cursor=page["nextPageCursor"])
        return orders
