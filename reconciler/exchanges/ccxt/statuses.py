"""Our status for an order that ccxt has parsed: from the exchange's own word where it is known.

ccxt has five words for an order's status (its manual, "Order Structure", read 2026-11-28), and
folds those of the exchanges into them: Coinbase's EXPIRED and FAILED become `canceled`, Bybit's
PartiallyFilledCanceled becomes `closed`; some pass through as they are (Binance's PENDING_NEW). So:

    exchange's word    ccxt's word                our status
    ---------------    -----------                ----------
    known              agrees                     what the exchange's word means
    known              is no word of ccxt         what the exchange's word means
    known              disagrees                  none: hold
    not known          open, canceled, expired,   what ccxt's word means
                       rejected
    not known          closed                     filled, if all of the order's amount is executed
    anything else                                 none: hold
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from reconciler.domain.status import TERMINAL, Status

_WORDS_BY_STATUS: Mapping[Status, str] = MappingProxyType(
    {
        Status.PENDING: """
            calculated created inflight init initialized pendingnew pendingopen pendingsubmit
            presubmitted queued received submitted submitting untriggered
            """,
        Status.NEW: """
            accepted acknowledged active booked cancelqueued live new open pendingcancel placed
            resting triggered unfilled waiting working
            """,
        Status.PARTIAL: """
            partialfill partialfilled partiallyexecuted partiallyfilled partlyfilled
            """,
        Status.FILLED: "executed filled fullyexecuted fullyfilled",
        Status.CANCELED: """
            canceled cancelled cancelledbyuser canceledbyuser deactivated mmpcanceled
            partialcanceled partialcancelled partiallycanceled partiallycancelled
            partiallyfilledcanceled partiallyfilledcancelled
            """,
        Status.REJECTED: "denied failed refused rejected",
        Status.EXPIRED: "expired expiredinmatch",
    }
)
WORDS: Mapping[str, Status] = MappingProxyType(
    {word: status for status, words in _WORDS_BY_STATUS.items() for word in words.split()}
)
"""Our status for each word of exchanges that means one thing only; without capitals and signs.

"done", "closed" or "pending" mean something else at another exchange, and so do codes such as "2":
there ccxt's reading is used.
"""

CCXT_WORDS: Mapping[str, Status] = MappingProxyType(
    {
        "open": Status.NEW,
        "closed": Status.FILLED,
        "canceled": Status.CANCELED,
        "canceling": Status.NEW,
        "expired": Status.EXPIRED,
        "rejected": Status.REJECTED,
    }
)
"""Our status for each word of ccxt: `parse_order` of ccxt 4.5.90 and its manual."""


def status_of(
    raw_word: str | None, ccxt_word: str | None, filled: Decimal | None, amount: Decimal | None
) -> Status | None:
    """Return our status, or None if it cannot be known for certain.

    `raw_word` is the exchange's, `ccxt_word` what ccxt made of it.
    """
    own = None if raw_word is None else WORDS.get(plain(raw_word))
    theirs = CCXT_WORDS.get(ccxt_word or "")
    if own is not None:
        return own if theirs is None or _agrees(own, theirs) else None
    if theirs is Status.FILLED:
        is_whole = filled is not None and amount is not None and 0 < amount <= filled
        return Status.FILLED if is_whole else None
    return theirs


def _agrees(own: Status, theirs: Status) -> bool:
    """Return True if ccxt may have made its word of one that means `own`.

    It calls an order that was canceled after a part was filled `closed` at some exchanges.
    """
    if own is Status.FILLED:
        return theirs is Status.FILLED
    return (own in TERMINAL) == (theirs in TERMINAL)


def plain(word: str) -> str:
    """Return a word as it is compared."""
    return re.sub(r"[\W_]+", "", word.casefold()).removeprefix("orderstatus")
