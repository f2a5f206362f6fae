"""The user's words for a status and ours, both ways: pure.

Several of their words may have one meaning. `OPEN_MEANING` is new, or partial when something is
executed, for tables that have one word for both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Literal

from reconciler.domain.status import OPEN, Status

OPEN_MEANING: Literal["open"] = "open"
Meaning = Status | Literal["open"]

NOTHING = Decimal(0)


def is_open(meaning: Meaning) -> bool:
    """Return True if a word with this meaning is of an open order."""
    return meaning == OPEN_MEANING or meaning in OPEN


def status_of(meaning: Meaning, executed: Decimal | None) -> Status:
    """Return the status that a word's meaning stands for in a row with this quantity executed."""
    if isinstance(meaning, Status):
        return meaning
    amount = executed or NOTHING
    # NaN, as a text that is no number is read, is greater than every number, as in PostgreSQL.
    return Status.PARTIAL if amount.is_nan() or amount > 0 else Status.NEW


@dataclass(frozen=True, kw_only=True)
class Statuses:
    """Translates statuses.

    Attributes:
        meanings: Their words and what each means.
        chosen: The word to write for a status, where the user has said it.
    """

    meanings: Mapping[str, Meaning] = field(
        default_factory=lambda: {str(status): status for status in Status}
    )
    chosen: Mapping[Status, str] = field(default_factory=dict)

    @cached_property
    def are_ours(self) -> bool:
        """True if the words are our own."""
        return self == Statuses()

    def read(self, word: str, executed: Decimal | None) -> Status | None:
        """Return what a word means in a row with this quantity executed; None if it is unknown."""
        meaning = self.meanings.get(word)
        return None if meaning is None else status_of(meaning, executed)

    def write(self, status: Status) -> str | None:
        """Return the word to write for a status; None if there is none, or not one alone."""
        if status in self.chosen:
            return self.chosen[status]
        words = self.words_for(status)
        return words[0] if len(words) == 1 else None

    def word_for(self, status: Status, executed: Decimal, *, former: str) -> str:
        """Return the word for a row with this status: its former one if that still says so.

        Only for a status that has a word.
        """
        if self.read(former, executed) is status:
            return former
        word = self.write(status)
        assert word is not None, f"no word for {status}"  # noqa: S101 - decided on before
        return word

    @property
    def unwritable(self) -> frozenset[Status]:
        """The statuses that have no word."""
        return frozenset(
            status for status in Status if status not in self.chosen and not self.words_for(status)
        )

    def words_for(self, status: Status) -> tuple[str, ...]:
        """Return the words that could be written for a status.

        Those that mean this status alone go before those for every open order.
        """
        exact = tuple(word for word, meaning in self.meanings.items() if meaning == status)
        if exact or status not in {Status.NEW, Status.PARTIAL}:
            return exact
        return tuple(word for word, meaning in self.meanings.items() if meaning == OPEN_MEANING)

    @property
    def undecided(self) -> Iterator[Status]:
        """The statuses that we may have to write and that have several words, none chosen.

        No order becomes pending, and none becomes new that was not pending before.
        """
        for status in Status:
            is_written = status is not Status.PENDING and (
                status is not Status.NEW or bool(self.words_for(Status.PENDING))
            )
            if is_written and status not in self.chosen and len(self.words_for(status)) > 1:
                yield status

    def reads_back(self, status: Status, word: str) -> bool:
        """Return True if a row with this word for this status needs no second correction.

        An order that has ended is not looked at again, so any word for an ended order does.
        """
        meaning = self.meanings[word]
        if status.is_terminal:
            return meaning != OPEN_MEANING and status_of(meaning, None).is_terminal
        executed = Decimal(1) if status is Status.PARTIAL else NOTHING
        return status_of(meaning, executed) is status
