"""Kraken's order ids, and why another text is none."""

import re

from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.raw_values import MAX_NAME_LENGTH

_TXID = re.compile(r"O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}")
_FORM = "an order's txid looks like OQCLML-BW3P3-BUCMWZ"

_OTHER_FORMS = (
    (re.compile(_TXID.pattern, re.IGNORECASE | re.ASCII), "write it in capitals"),
    (
        re.compile(r"[A-Z0-9]{6}-[A-Z0-9]{5}-[A-Z0-9]{6}"),
        "this is the id of a trade or a ledger entry",
    ),
    (re.compile(r"-?[0-9]{1,10}"), "this looks like a userref; put the txid there"),
    (
        re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE),
        "this looks like a cl_ord_id; put the txid there",
    ),
)
"""What another text may be, for the person who has put it into the row."""


def is_txid(text: str) -> bool:
    """Return True if an order of Kraken may have this id.

    Every example of docs.kraken.com has this form (account-data, read 2026-11-28), which a trade's
    id (`T...`) and a ledger entry's (`L...`) share but for the first letter.
    """
    return _TXID.fullmatch(text) is not None


def invalid_reason(ref: OrderRef) -> str | None:
    """Return why the exchange cannot have an order of this id, or None if it can.

    One id that is none makes Kraken reject a request for twenty, so it is never sent.
    """
    text = ref.external_order_id
    if is_txid(text):
        return None
    if not 0 < len(text) <= MAX_NAME_LENGTH:
        return f"{_FORM}: this is empty or too long"
    for form, meaning in _OTHER_FORMS:
        if form.fullmatch(text):
            return f"{_FORM}: {meaning}"
    return f"{_FORM}: no blank, no comma, nothing else"
