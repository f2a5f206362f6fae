"""Guess what a word in `orders.status` means: pure.

Only rows with our own words are followed. For all other words this is a guess, used to tell a
person that orders which look open are not followed. Nothing is ever written because of it.
"""

import re
from enum import StrEnum

from reconciler.domain.status import BY_VALUE, OPEN


class StatusMeaning(StrEnum):
    """The likely meaning of a word. `OPEN`: it looks open, but is none of our words."""

    FOLLOWED = "followed"
    ENDED = "ended"
    OPEN = "open"
    OTHER = "other"


def guess_meaning(word: str | None) -> StatusMeaning:
    """Return the likely meaning of a status. Our words in capitals or with blanks are not ours."""
    if word in BY_VALUE:
        return StatusMeaning.FOLLOWED if BY_VALUE[word] in OPEN else StatusMeaning.ENDED
    plain = re.sub(r"[\W_]+", "", (word or "").casefold()).removeprefix("orderstatus")
    if plain in _OPEN:
        return StatusMeaning.OPEN
    return StatusMeaning.ENDED if plain in _ENDED else StatusMeaning.OTHER


# Words of exchanges (Binance, Bybit, Coinbase, Kraken, OKX), of FIX 4.4 (OrdStatus, tag 39), of
# ccxt and of platforms; in lower case, letters and digits only.
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
