"""What applications' words for a status mean: pure.

The words are those of exchanges (Binance, Bybit, Coinbase, Kraken, OKX), of FIX 4.4 (OrdStatus, tag
39), of ccxt, and of public platforms and bots; read 2026-11-28. Words are compared in lower case,
by letters and digits only. A word that is not here has no meaning that can be known.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Sense(StrEnum):
    """What a word says by itself. The best of two words with one sense comes first in its list.

    `ANY_OPEN`: open, and it does not matter what is executed. `ENDED`: over, and only the other
    words of the table tell how.
    """

    PENDING = "pending"
    NEW = "new"
    PARTIAL = "partial"
    ANY_OPEN = "any open"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ENDED = "ended"


_WORDS: Mapping[Sense, str] = {
    # From the least to the most advanced: the last one may stand for every open order.
    Sense.PENDING: """
        calculated init initial initialized created creating draft queued released received inflight
        pendingplace pendingopen pendingnew pending processing pendingsubmit presubmitted submitting
        sending sent posting ordered transmitted submitted buyordersubmitted sellordersubmitted
        """,
    Sense.NEW: """
        new open accepted active live working placed opened booked acknowledged resting posted
        unfilled untriggered triggered routed onbook waiting wait buyordercreated sellordercreated
        """,
    Sense.PARTIAL: """
        partial partiallyfilled partialfilled partialfill partiallyexecuted partiallymatched
        partiallydone partlyfilled partlydone partlyexecuted partfilled partdone partially
        openpartiallyfilled partiallyfilledopen orderfilled
        """,
    Sense.ANY_OPEN: """
        pendingcancel pendingcancelation pendingcancellation pendingupdate pendingreplace
        pendingmodify pendingamend canceling cancelling cancelpending cancelrequested inprogress
        replaced amended
        """,
    Sense.FILLED: """
        filled fullyfilled executed fullyexecuted completed complete matched fullymatched
        buyordercompleted sellordercompleted
        """,
    Sense.CANCELED: """
        canceled cancelled cancel ordercancelled ordercanceled aborted withdrawn usercanceled
        usercancelled canceledbyuser cancelledbyuser voided void mmpcanceled partiallycanceled
        partiallycancelled partiallyfilledcanceled partiallyfilledcancelled
        """,
    Sense.REJECTED: """
        rejected reject refused denied failed failure error orderfailure
        """,
    Sense.EXPIRED: """
        expired orderexpired expiredinmatch lapsed timedout doneforday
        """,
    Sense.ENDED: "closed done finished ended settled",
}
_SENSES = {
    word: (sense, place)
    for sense, words in _WORDS.items()
    for place, word in enumerate(words.split())
}


def plain(word: str) -> str:
    """Return a word as it is compared."""
    return re.sub(r"[\W_]+", "", word.casefold()).removeprefix("orderstatus")


def sense_of(word: str) -> Sense | None:
    """Return what a word says; None if it is not known."""
    found = _SENSES.get(plain(word))
    return None if found is None else found[0]


def place_of(word: str) -> int:
    """Return the place of a known word among those of its sense, from 0."""
    return _SENSES[plain(word)][1]


def side_in(word: str) -> str | None:
    """Return the side that a word is for; None if it is for both."""
    found = re.match(r"buy|sell", plain(word))
    return None if found is None else found[0]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """Codes for statuses in a public platform, whose table is known by its columns.

    Attributes:
        columns: All of these have to be there, in lower case.
        words: What each code stands for.
        source: Where that is written.
    """

    status: str
    columns: frozenset[str]
    words: Mapping[str, str]
    source: str


_CODES = (
    Codes(
        status="state",
        columns=frozenset({"volume", "origin_volume", "ord_type", "origin_locked"}),
        words={"0": "pending", "100": "wait", "200": "filled", "-100": "cancel", "-200": "reject"},
        source="peatio, app/models/order.rb, STATES",
    ),
    Codes(
        status="state",
        columns=frozenset({"quantity_left", "vwap", "operation", "in_stack"}),
        words={"0": "open", "1": "filled", "2": "canceled"},
        source="OpenCEX, core/consts/orders.py, ORDER_STATES",
    ),
)

_FIX_STATUS = "ordstatus"
_FIX = Codes(
    status=_FIX_STATUS,
    columns=frozenset(),
    words={
        "0": "new",
        "1": "partially_filled",
        "2": "filled",
        "3": "done_for_day",
        "4": "canceled",
        "6": "pending_cancel",
        "8": "rejected",
        "A": "pending_new",
        "C": "expired",
        "E": "pending_replace",
    },
    source="FIX 4.4, OrdStatus, tag 39",
)


def codes_for(status: str, columns: Collection[str]) -> Codes | None:
    """Return the codes in a column of statuses, if the table is one of a known platform."""
    if plain(status) == _FIX_STATUS:
        return _FIX
    names = {name.casefold() for name in columns}
    return next(
        (codes for codes in _CODES if codes.status == status.casefold() and codes.columns <= names),
        None,
    )
