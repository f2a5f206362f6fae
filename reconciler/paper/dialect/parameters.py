"""The parameters of a request, validated as strictly as the exchange does."""

import re
from collections.abc import Collection
from decimal import Decimal
from urllib.parse import parse_qsl

from reconciler.paper.dialect.answers import Refusal, illegal, missing, not_valid

SYMBOL_RANGE = r"^[\w\-._&&[^a-z]]{1,50}$"
"""As Binance prints it, in Java's syntax: letters of any script except a to z. Symbols may be UTF-8
since CHANGELOG.md, 2025-12-02."""
_SYMBOL = r"(?:(?![a-z])[\w\-.]){1,50}"
INTEGER_RANGE = "^[0-9]{1,20}$"
FIRST_MICROSECONDS = 10**14
"""Times from here on are in microseconds: as milliseconds they would lie after the year 5138. How
Binance distinguishes the two is not documented."""
DECIMAL_RANGE = r"^[0-9]{1,20}(\.[0-9]{1,3})?$"


class Parameters:
    """The names and values of a query string.

    Raises:
        Refusal: a parameter is sent twice, or empty.
    """

    def __init__(self, query: str) -> None:
        pairs = parse_qsl(query, keep_blank_values=True)
        self._values = dict(pairs)
        if len(self._values) != len(pairs):
            raise Refusal(-1101, "Duplicate values for a parameter detected.")
        for name, value in pairs:
            if not value:
                raise Refusal(-1105, f"Parameter '{name}' was empty.")

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Check that the request sends only parameters in `known`.

        Raises:
            Refusal: it sends another one.
        """
        read = sum(name in known for name in self._values)
        if read != len(self._values):
            raise Refusal(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s)"
                f" but was sent '{len(self._values)}'.",
            )

    def text(self, name: str) -> str | None:
        """Return a parameter as it was sent; None if it was not."""
        return self._values.get(name)

    def symbol(self) -> str | None:
        """Return the parameter `symbol`.

        Raises:
            Refusal: it holds characters that no symbol has.
        """
        symbol = self._values.get("symbol")
        if symbol is not None and re.fullmatch(_SYMBOL, symbol) is None:
            raise illegal("symbol", SYMBOL_RANGE)
        return symbol

    def required_symbol(self) -> str:
        """Return the parameter `symbol`.

        Raises:
            Refusal: it was not sent, or holds characters that no symbol has.
        """
        symbol = self.symbol()
        if symbol is None:
            raise missing("symbol")
        return symbol

    def integer(self, name: str) -> int | None:
        """Return a parameter that is an integer.

        Raises:
            Refusal: it is not an integer.
        """
        text = self._matching(name, INTEGER_RANGE)
        return None if text is None else int(text)

    def time_us(self, name: str) -> int | None:
        """Return a time in microseconds; it may be sent in these or in milliseconds.

        Raises:
            Refusal: it is not an integer.
        """
        time = self.integer(name)
        return time if time is None or time >= FIRST_MICROSECONDS else time * 1000

    def time_ms(self, name: str) -> int | None:
        """Return a time in milliseconds, rounded down if it was sent in microseconds.

        Raises:
            Refusal: it is not an integer.
        """
        time_us = self.time_us(name)
        return None if time_us is None else time_us // 1000

    def bounded(self, name: str, *, default: int, maximum: int) -> int:
        """Return an integer from 1 to `maximum`.

        Raises:
            Refusal: it is not an integer, or out of bounds.
        """
        value = self.integer(name)
        if value is None:
            return default
        if not 1 <= value <= maximum:
            raise not_valid(name)
        return value

    def decimal(self, name: str) -> Decimal | None:
        """Return a number of at most three decimal places.

        Raises:
            Refusal: it is not such a number.
        """
        text = self._matching(name, DECIMAL_RANGE)
        return None if text is None else Decimal(text)

    def _matching(self, name: str, legal: str) -> str | None:
        text = self._values.get(name)
        if text is not None and re.fullmatch(legal, text, re.ASCII) is None:
            raise illegal(name, legal)
        return text
