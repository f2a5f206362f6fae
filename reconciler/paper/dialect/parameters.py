"""A request's parameters, read as strictly as the exchange reads them."""

import re
from collections.abc import Collection
from decimal import Decimal
from urllib.parse import parse_qsl

from reconciler.paper.dialect.answers import Refusal, illegal, missing, not_valid

SYMBOL_RANGE = "^[A-Z0-9-_.]{1,20}$"
INTEGER_RANGE = "^[0-9]{1,20}$"
DECIMAL_RANGE = r"^[0-9]{1,20}(\.[0-9]{1,3})?$"


class Parameters:
    """The query string's names and values.

    Raises:
        Refusal: a name is sent twice, or with nothing in it.
    """

    def __init__(self, query: str) -> None:
        pairs = parse_qsl(query, keep_blank_values=True)
        self._values = dict(pairs)
        if len(self._values) != len(pairs):
            raise Refusal(-1101, "Duplicate values for a parameter detected.")
        for name, value in pairs:
            if not value:
                raise Refusal(-1105, f"Parameter '{name}' was empty.")

    def refuse_others(self, known: Collection[str]) -> None:
        """Refuse a request that sends anything but the parameters in `known`.

        Raises:
            Refusal: it does.
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
        return self._legal("symbol", SYMBOL_RANGE)

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
        """Return a whole number.

        Raises:
            Refusal: it is none.
        """
        text = self._legal(name, INTEGER_RANGE)
        return None if text is None else int(text)

    def bounded(self, name: str, *, default: int, maximum: int) -> int:
        """Return a whole number from 1 to `maximum`.

        Raises:
            Refusal: it is none, or out of bounds.
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
            Refusal: it is none.
        """
        text = self._legal(name, DECIMAL_RANGE)
        return None if text is None else Decimal(text)

    def _legal(self, name: str, legal: str) -> str | None:
        text = self._values.get(name)
        if text is not None and re.fullmatch(legal, text, re.ASCII) is None:
            raise illegal(name, legal)
        return text
