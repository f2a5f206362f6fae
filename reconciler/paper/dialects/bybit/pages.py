"""Pages of orders by cursor: the latest created first.

A cursor says where its page ended, so an order that moves between two requests is neither skipped
nor shown twice. Every page that has orders has a cursor, also the last one (the examples of
order/open-order.mdx and order/order-list.mdx, read 2026-11-28).

Like Bybit's, a cursor is percent-encoded already. Bybit's own client (pybit) and ccxt send it as it
is, the client of sieblyio/bybit-api encodes it again (its pull request 198): both are understood.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from urllib.parse import unquote

from reconciler.paper.orders import PaperOrder

_CURSOR = re.compile(r"([0-9]{1,20}):([0-9]{1,15}),[0-9]{1,20}:[0-9]{1,15}")


class CursorInvalid(ValueError):
    """The exchange has made no such cursor."""


def page_of(
    newest_first: Iterable[PaperOrder], cursor: str | None, size: int
) -> Sequence[PaperOrder]:
    """Return the page of `newest_first` that follows `cursor`, or the first one.

    Raises:
        CursorInvalid: no page ends so.
    """
    if cursor is None:
        return list(islice(newest_first, size))
    match = _CURSOR.fullmatch(unquote(cursor))
    if match is None:
        raise CursorInvalid(cursor)
    ended_at = (int(match[2]), int(match[1]))
    return list(islice((one for one in newest_first if _place(one) < ended_at), size))


def cursor_after(page: Sequence[PaperOrder]) -> str:
    """Return the cursor of the next page; "" after an empty one."""
    if not page:
        return ""
    last, first = page[-1], page[0]
    return f"{last.order_id}%3A{last.created_ms}%2C{first.order_id}%3A{first.created_ms}"


def _place(order: PaperOrder) -> tuple[int, int]:
    return order.created_ms, order.order_id
