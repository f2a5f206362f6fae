"""Our status for an order that ccxt has parsed: from the exchange's own word where it is known.

ccxt has five words for an order's status (its manual, "Order Structure", read 2026-11-28), and
folds those of the exchanges into them: Coinbase's EXPIRED and FAILED become `canceled`, Bybit's
PartiallyFilledCanceled becomes `closed`, Apex' CANCELING becomes `canceled` although the order may
still be filled; some pass through as they are (Binance's PENDING_NEW). So:

    exchange's word    ccxt's word                our status
    ---------------    -----------                ----------
    known              agrees                     what the exchange's word means
    known              is no word of ccxt         what the exchange's word means
    known              disagrees                  none: hold
    not known          open, canceled, expired,   what ccxt's word means
                       rejected
    not known          closed                     filled, if all of the order's amount is executed
    anything else                                 none: hold

A test reads the words of every exchange from the installed ccxt, and says where they are folded.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from reconciler.domain.status import TERMINAL, Status

_WORDS_BY_STATUS: Mapping[Status, str] = MappingProxyType(
    {
        Status.PENDING: """
            calculated created inflight init initialized pendingnew pendingopen pendingsubmit
            presubmitted queued received submitted submitting untriggered
            """,
        Status.NEW: """
            accepted acknowledged active booked cancelallsent canceling cancelling cancelpending
            cancelqueued cancelsent live new open pendingcancel placed resting triggered unfilled
            waiting working
            """,
        Status.PARTIAL: """
            partialfill partialfilled partiallyexecuted partiallyfill partiallyfilled
            partiallymatched partlyfilled
            """,
        Status.FILLED: """
            executed filled filledfully fullfill fullyexecuted fullyfilled fullymatched
            """,
        Status.CANCELED: """
            canceled canceledbyuser canceledfok canceledioc canceledmarketprotection
            canceledpartiallyfilled canceledpostonly canceledselftradeprevention canceledunfilled
            cancelled cancelledbyuser deactivated fillorkillcanceled ioccanceled mmpcanceled
            partialcanceled partialcancelled partiallycanceled partiallycancelled
            partiallyfilledandcancelled partiallyfilledcanceled partiallyfilledcancelled
            postonlycanceled
            """,
        Status.REJECTED: "denied failed orderfailed refused rejected",
        Status.EXPIRED: "expired expiredinmatch partiallyfilledandexpired",
    }
)
WORDS: Mapping[str, Status] = MappingProxyType(
    {word: status for status, words in _WORDS_BY_STATUS.items() for word in words.split()}
)
"""Our status for each word of exchanges that means one thing only; without capitals and signs.

"done", "closed" or "pending" mean something else at another exchange, and so do codes such as "2":
there ccxt's reading is used.
"""

WORDS_AT: Mapping[str, Mapping[str, Status]] = MappingProxyType(
    {
        # As in our own adapter.
        "coinbase": {"pending": Status.PENDING, "editqueued": Status.NEW},
        # `finish_as`: gate.com, "Gate API v4", Order, read 2026-11-29. ccxt knows `ioc` of them.
        "gate": dict.fromkeys(
            (
                *("depthnotenough", "fok", "ioc", "liquidatecancelled", "poc", "small", "stp"),
                *("priceprotectcancelled", "tradernotenough"),
            ),
            Status.CANCELED,
        ),
        # In the book: the event `creation` has it, huobiapi.github.io, "Spot", read 2026-11-29.
        "htx": {"submitted": Status.NEW},
        # As in our own adapter.
        "kraken": {"pending": Status.PENDING, "closed": Status.FILLED},
        # See `own_word`.
        "kucoin": {"donenothingcancelled": Status.FILLED},
    }
)
"""What a word means at one exchange, by ccxt's id: it means something else at others."""

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
    exchange_id: str,
    raw_word: str | None,
    ccxt_word: str | None,
    filled: Decimal | None,
    amount: Decimal | None,
) -> Status | None:
    """Return our status, or None if it cannot be known for certain.

    `raw_word` is the exchange's, `ccxt_word` what ccxt made of it.
    """
    own = None if raw_word is None else meaning_of(exchange_id, raw_word)
    theirs = CCXT_WORDS.get(ccxt_word or "")
    if own is not None:
        return own if theirs is None or _agrees(own, theirs) else None
    if theirs is Status.FILLED:
        is_whole = filled is not None and amount is not None and 0 < amount <= filled
        return Status.FILLED if is_whole else None
    return theirs


def meaning_of(exchange_id: str, word: str) -> Status | None:
    """Return our status for an exchange's word; None if it is not known."""
    words = WORDS_AT.get(exchange_id, {})
    return words.get(plain(word)) or WORDS.get(plain(word))


def _agrees(own: Status, theirs: Status) -> bool:
    """Return True if ccxt may have made its word of one that means `own`.

    It calls an order that was canceled after a part was filled `closed` at some exchanges.
    """
    if own is Status.FILLED:
        return theirs is Status.FILLED
    return (own in TERMINAL) == (theirs in TERMINAL)


def plain(word: str) -> str:
    """Return a word as it is compared.

    Bitfinex says more with it: "EXECUTED @ 107.6(-0.2)", "CANCELED was: PARTIALLY FILLED @ 0.6(1)".
    """
    first = _MORE.split(word.casefold(), maxsplit=1)[0]
    return re.sub(r"[\W_]+", "", first).removeprefix("orderstatus")


_MORE = re.compile(r"[@(]| was\b")


def own_word(exchange_id: str, row: Any) -> str | None:
    """Return the exchange's word for the status in its row of an order; None if it has none.

    KuCoin has flags instead of a word. An order that is neither active nor canceled, of which
    nothing is left and nothing was canceled, is filled: fields of `/api/v1/hf/orders/{orderId}` in
    github.com/Kucoin/kucoin-universal-sdk, read 2026-11-29.
    """
    if not isinstance(row, Mapping):
        return None
    if exchange_id == "kucoin" and row.get("active") is False and row.get("cancelExist") is False:
        left = [row.get(name) for name in ("remainSize", "cancelledSize", "cancelledFunds")]
        return "done, nothing cancelled" if left == ["0", "0", "0"] else None
    return next((row[name] for name in _WORD_FIELDS if isinstance(row.get(name), str)), None)


_WORD_FIELDS = ("status", "state", "orderStatus", "order_status", "order_state", "ordStatus")
