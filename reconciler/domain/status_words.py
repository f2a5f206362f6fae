"""What a word in `orders.status` seems to mean: pure.

Only our own words are followed. Of all others this is a guess, made to tell a person that orders
are left alone which look as if they were open; nothing is ever written because of it.
"""

import re
from enum import StrEnum

from reconciler.domain.status import BY_VALUE, OPEN


class StatusMeaning(StrEnum):
    """What a word seems to mean. The first two are our own words; `OPEN` is somebody else's."""

    FOLLOWED = "followed"
    ENDED = "ended"
    OPEN = "open"
    OTHER = "other"


def guess_meaning(word: str | None) -> StatusMeaning:
    """Return what a status seems to mean; ours in capitals or with blanks is not ours."""
    if word in BY_VALUE:
        return StatusMeaning.FOLLOWED if BY_VALUE[word] in OPEN else StatusMeaning.ENDED
    plain = re.sub(r"[\W_]+", "", (word or "").casefold()).removeprefix("orderstatus")
    if plain in _OPEN:
        return StatusMeaning.OPEN
    return StatusMeaning.ENDED if plain in _ENDED else StatusMeaning.OTHER


# Words of exchanges (Binance, Bybit, Coinbase, Kraken, OKX), of FIX 4.4 (OrdStatus, tag 39), of
# ccxt and of platforms; in small letters, without blanks and the like.
_OPEN = frozenset(
    """
    accepted acknowledged active booked calculated created inflight inprogress
    initialized live new open opened ordered partial partially partiallyexecuted partiallyfilled
    partiallymatched partialfill partialfilled partfilled partlyfilled pending pendingnew
    pendingopen pendingplace pendingsubmit placed placing posted presubmitted processing queued
    received resting routed sent submitted submitting transmitted triggered unfilled untriggered
    waiting working
    """.split()  # noqa: SIM905 - eighty strings in quotes read worse
)
_ENDED = frozenset(
    """
    aborted bust busted cancel canceled cancelled closed complete completed deactivated deleted
    denied done doneforday error executed expired expiredinmatch failed failure filled
    finished fullyfilled inactive matched mmpcanceled partiallycanceled partiallycancelled
    partiallyfilledcanceled rejected removed replaced settled stopped success terminated void
    """.split()  # noqa: SIM905 - as above
)
