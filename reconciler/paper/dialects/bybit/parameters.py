"""The parameters of a request, read as strictly as Bybit documents them.

A name that no page has is ignored, as by Bybit itself: a client's typing error gets the list of
everything.
"""

import re
from urllib.parse import parse_qsl

from reconciler.paper.dialects.bybit.answers import parameter_error

DEFAULT_PAGE = 20
LARGEST_PAGE = 50
"""order/open-order.mdx and order/order-list.mdx, `limit`."""

CATEGORIES = frozenset({"spot", "linear", "inverse", "option"})

_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")


class Parameters:
    """The names and values of a query string. `now_ms` is the time that an error says."""

    def __init__(self, query: str, now_ms: int) -> None:
        self._values = dict(parse_qsl(query, keep_blank_values=True))
        self._now_ms = now_ms

    def text(self, name: str) -> str | None:
        """Return a parameter as it was sent, decoded; None if it was not sent, or is empty."""
        return self._values.get(name) or None

    def is_spot(self) -> bool:
        """Return True if the request is about spot, False if it is about another product.

        Raises:
            Refused: `category` is missing or unknown.
        """
        category = self.text("category")
        if category not in CATEGORIES:
            raise parameter_error("category invalid", self._now_ms)
        return category == "spot"

    def integer(self, name: str) -> int | None:
        """Return a parameter that is a whole number.

        Raises:
            Refused: it is none.
        """
        text = self.text(name)
        if text is None:
            return None
        if _WHOLE_NUMBER.fullmatch(text) is None:
            raise parameter_error(f"{name} invalid", self._now_ms)
        return int(text)

    def page_size(self) -> int:
        """Return `limit`.

        Raises:
            Refused: it is no number from 1 to 50.
        """
        limit = self.integer("limit")
        if limit is None:
            return DEFAULT_PAGE
        if not 1 <= limit <= LARGEST_PAGE:
            raise parameter_error("limit invalid", self._now_ms)
        return limit
