"""An answer that is an error, in the exchange's own form: `{"code": ..., "msg": ...}`.

Codes and messages: Binance Spot API documentation, "Error codes", read 2026-11-24.
"""

from collections.abc import Mapping

import msgspec


class Refusal(Exception):
    """Ends a request with an error that the client is told."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        http_status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.http_status = http_status
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {message}")

    def body(self) -> bytes:
        """Return the answer's JSON."""
        return msgspec.json.encode({"code": self.code, "msg": self.message})


def too_much_weight(limit: int, retry_after_seconds: int) -> Refusal:
    """Refuse a request that is over the limit until the window ends."""
    return Refusal(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        " Please use WebSocket Streams for live updates to avoid polling the API.",
        http_status=429,
        headers={"Retry-After": str(retry_after_seconds)},
    )


def server_error(http_status: int) -> Refusal:
    """Answer as the exchange does when it fails: whether it acted is unknown."""
    return Refusal(
        -1001,
        "Internal error; unable to process your request. Please try again.",
        http_status=http_status,
    )


def missing(name: str) -> Refusal:
    """Refuse a request without a mandatory parameter."""
    return Refusal(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


def illegal(name: str, legal: str) -> Refusal:
    """Refuse a parameter that holds characters outside of `legal`, a regular expression."""
    return Refusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    )


def not_valid(name: str) -> Refusal:
    """Refuse a parameter whose value is out of bounds."""
    return Refusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_symbol() -> Refusal:
    """Refuse a symbol that is not traded."""
    return Refusal(-1121, "Invalid symbol.")


def no_such_order() -> Refusal:
    """Say that there is no such order."""
    return Refusal(-2013, "Order does not exist.")
