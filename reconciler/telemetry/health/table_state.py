"""Are the orders in the table right? The answer in one word and in plain sentences. Pure.

Right is an order whose row was confirmed by the exchange within the stale time. Of all others it is
not known: what the table says of them may be wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.formatting import duration, number
from reconciler.telemetry.health.causes import CAUSES
from reconciler.telemetry.health.rows import Grade, HealthRow, Slug
from reconciler.telemetry.health.vitals import Vitals


class Answer(StrEnum):
    """The answer in a word."""

    YES = "yes"
    YES_SO_FAR = "so far yes"
    NEARLY = "nearly all"
    PARTLY = "not all"
    PARTLY_CONFIRMED = "not all confirmed"
    NOT_CONFIRMED = "not confirmed"
    UNKNOWN = "not known"


@dataclass(frozen=True, kw_only=True, slots=True)
class TableState:
    """The answer, and why."""

    answer: Answer
    text: str


_NOT_COUNTED = "They could not be counted."
_SHADOW = (
    "This supervisor only watches: it writes nothing, so the table is as the application has it."
)
_NONE_OPEN = "No order is open, so there is nothing to confirm."
_MAY_BE_WRONG = "what the table says of them may be wrong"
_NOBODY_CONFIRMS = (
    "Nothing confirms them at the moment: without that they soon count as out of date."
)


def table_state(vitals: Vitals | None, rows: Sequence[HealthRow]) -> TableState:
    """Answer from what was counted, and from the rows of its verdict."""
    if vitals is None or vitals.stale_orders is None or vitals.open_orders is None:
        return TableState(answer=Answer.UNKNOWN, text=_NOT_COUNTED)
    if vitals.is_shadow:
        return TableState(answer=Answer.UNKNOWN, text=_SHADOW)
    grades = {row.slug: row.grade for row in rows}
    counted = _of_counts(_Counts.of(vitals), grades)
    if is_count_old(vitals, rows):
        then = counted.text[:1].lower() + counted.text[1:]
        before = f"As counted {duration(vitals.counted_seconds_ago)} ago: {then}"
        text = f"The orders cannot be read now. {before}"
        return TableState(answer=Answer.UNKNOWN, text=text)
    return counted


def is_count_old(vitals: Vitals, rows: Sequence[HealthRow]) -> bool:
    """Return True if the supervisor cannot count again, since the database is away."""
    is_away = any(row.slug is Slug.DATABASE and _is_bad(row.grade) for row in rows)
    return vitals.counted_seconds_ago > 0 and is_away


@dataclass(frozen=True, slots=True)
class _Counts:
    """Orders: the open ones, those that are stale, those on hold; and times in seconds."""

    open: int
    stale: int
    held: int
    oldest_seconds: float
    limit_seconds: float
    is_first_sync: bool

    @classmethod
    def of(cls, vitals: Vitals) -> "_Counts":
        held = vitals.held_orders or 0
        stale = vitals.stale_orders or 0
        return cls(
            # They are counted one after another: none of the sums may be negative.
            open=max(vitals.open_orders or 0, stale, held),
            stale=stale,
            held=held,
            oldest_seconds=vitals.oldest_stale_age_seconds or 0.0,
            limit_seconds=vitals.stale_after_seconds or 0.0,
            is_first_sync=vitals.is_in_first_sync and stale > 0,
        )

    @property
    def confirmed(self) -> int:
        return max(0, self.open - self.stale - self.held)

    @property
    def limit(self) -> str:
        return duration(self.limit_seconds) if self.limit_seconds >= 1 else "the stale time"


def _of_counts(counts: _Counts, grades: dict[Slug, Grade]) -> TableState:
    of_all = f"of {number(counts.open)} open orders"
    is_blocked = any(grades.get(slug) is Grade.CRITICAL for slug in CAUSES)
    is_well = not any(_is_bad(grade) for grade in grades.values())
    if not counts.open:
        return TableState(answer=Answer.YES, text=_NONE_OPEN)
    if counts.is_first_sync:
        text = (
            f"The first sync of this table is going on: {number(counts.stale)} {of_all} are not"
            " confirmed yet."
        )
        return TableState(answer=Answer.UNKNOWN, text=text)
    if not counts.stale and not counts.held:
        text = (
            f"Every open order ({number(counts.open)}) was confirmed by the exchange within"
            f" {counts.limit}."
        )
        if is_blocked:
            return TableState(answer=Answer.YES_SO_FAR, text=f"{text} {_NOBODY_CONFIRMS}")
        return TableState(answer=Answer.YES, text=text)
    if is_well:
        answer = Answer.NEARLY if counts.held else Answer.YES
        return TableState(answer=answer, text=" ".join(_what_is_well(counts, of_all)))
    return TableState(answer=_bad_answer(counts), text=" ".join(_what_is_wrong(counts, of_all)))


def _bad_answer(counts: _Counts) -> Answer:
    """Return no more than is known: a stale row may still be right."""
    if not counts.confirmed:
        return Answer.NOT_CONFIRMED
    return Answer.PARTLY_CONFIRMED if counts.stale else Answer.PARTLY


def _what_is_well(counts: _Counts, of_all: str) -> list[str]:
    parts = [
        f"{number(counts.confirmed)} {of_all} were confirmed by the exchange within {counts.limit}."
    ]
    if counts.stale:
        parts.append(f"{number(counts.stale)} are due, and are asked about next.")
    if counts.held:
        parts.append(f"{number(counts.held)} are on hold: {_MAY_BE_WRONG}.")
    return parts


def _what_is_wrong(counts: _Counts, of_all: str) -> list[str]:
    parts = []
    if counts.stale:
        parts.append(
            f"{number(counts.stale)} {of_all} are not up to date: {_MAY_BE_WRONG}. The oldest was"
            f" confirmed {duration(counts.oldest_seconds)} ago; the limit is {counts.limit}."
        )
    if counts.held:
        parts.append(f"{number(counts.held)} {of_all} are on hold: {_MAY_BE_WRONG}.")
    if counts.confirmed:
        parts.append(f"The other {number(counts.confirmed)} were confirmed within {counts.limit}.")
    return parts


def _is_bad(grade: Grade | None) -> bool:
    return grade in {Grade.WARNING, Grade.CRITICAL}
