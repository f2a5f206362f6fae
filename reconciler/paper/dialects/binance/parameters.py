"""The parameters of a request, validated as strictly as the exchange does."""

import re
from collections.abc import Collection
from decimal import Decimal
from urllib.parse import parse_qsl

from reconciler.paper.dialects.binance.answers import (
    ApiError,
    illegal_characters_error,
    invalid_parameter_error,
    missing_parameter_error,
)

SYMBOL_PATTERN = r"^[\w\-._&&[^a-z]]{1,50}$"
"""The pattern that Binance prints, in Java's syntax: letters of any script except a to z. Symbols
may be UTF-8 since CHANGELOG.md, 2025-12-02."""
_SYMBOL_IN_PYTHON = r"(?:(?![a-z])[\w\-.]){1,50}"
INTEGER_PATTERN = "^[0-9]{1,20}$"
MIN_MICROSECOND_TIME = 10**14
"""Times of at least this are in microseconds, because as milliseconds they would lie after the year
5138. How Binance distinguishes the two is not documented."""
DECIMAL_PATTERN = r"^[0-9]{1,20}(\.[0-9]{1,3})?$"


class QueryParameters:
    """The names and values of a query string.

    Raises:
        ApiError: a parameter is sent twice, or empty.
    """

    def __init__(self, query: str) -> None:
        pairs = parse_qsl(query, keep_blank_values=True)
        self._values = dict(pairs)
        if len(self._values) != len(pairs):
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        for name, value in pairs:
            if not value:
                raise ApiError(-1105, f"Parameter '{name}' was empty.")

    def raise_if_unknown(self, known: Collection[str]) -> None:
        """Check that the request sends only parameters in `known`.

        Raises:
            ApiError: the request sends another parameter.
        """
        read = sum(name in known for name in self._values)
        if read != len(self._values):
            raise ApiError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s)"
                f" but was sent '{len(self._values)}'.",
            )

    def text(self, name: str) -> str | None:
        """Return a parameter as it was sent, or None if it was not sent."""
        return self._values.get(name)

    def symbol(self) -> str | None:
        """Return the parameter `symbol`.

        Raises:
            ApiError: the parameter holds characters that no symbol has.
        """
        symbol = self._values.get("symbol")
        if symbol is not None and re.fullmatch(_SYMBOL_IN_PYTHON, symbol) is None:
            raise illegal_characters_error("symbol", SYMBOL_PATTERN)
        return symbol

    def required_symbol(self) -> str:
        """Return the parameter `symbol`.

        Raises:
            ApiError: the parameter was not sent, or holds characters that no symbol has.
        """
        symbol = self.symbol()
        if symbol is None:
            raise missing_parameter_error("symbol")
        return symbol

    def integer(self, name: str) -> int | None:
        """Return a parameter that is an integer.

        Raises:
            ApiError: the parameter is not an integer.
        """
        text = self._matching(name, INTEGER_PATTERN)
        return None if text is None else int(text)

    def time_us(self, name: str) -> int | None:
        """Return a time in microseconds. The client may send microseconds or milliseconds.

        Raises:
            ApiError: the parameter is not an integer.
        """
        time = self.integer(name)
        return time if time is None or time >= MIN_MICROSECOND_TIME else time * 1000

    def time_ms(self, name: str) -> int | None:
        """Return a time in milliseconds, rounded down if it was sent in microseconds.

        Raises:
            ApiError: the parameter is not an integer.
        """
        time_us = self.time_us(name)
        return None if time_us is None else time_us // 1000

    def bounded_integer(self, name: str, *, default: int, maximum: int) -> int:
        """Return an integer from 1 to `maximum`.

        Raises:
            ApiError: the parameter is not an integer, or out of bounds.
        """
        value = self.integer(name)
        if value is None:
            return default
        if not 1 <= value <= maximum:
            raise invalid_parameter_error(name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """Return a number of at most three decimal places.

        Raises:
            ApiError: the parameter is not such a number.
        """
        text = self._matching(name, DECIMAL_PATTERN)
        return None if text is None else Decimal(text)

    def _matching(self, name: str, pattern: str) -> str | None:
        text = self._values.get(name)
        if text is not None and re.fullmatch(pattern, text, re.ASCII) is None:
            raise illegal_characters_error(name, pattern)
        return text
