"""What a page reads from its address: filters, and the place where a list goes on."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request

from reconciler.console.error_pages import Refusal

E = TypeVar("E", bound=StrEnum)

LONGEST_TEXT = 200
LARGEST_NUMBER = 2**63 - 1
"""The largest id that a database has."""


class Age(StrEnum):
    """How long ago."""

    HOUR = "1h"
    HOURS = "6h"
    DAY = "1d"
    WEEK = "7d"

    @property
    def words(self) -> str:
        """The age for a person."""
        return _WORDS[self]

    @property
    def begin(self) -> datetime:
        """The time that was so long ago."""
        return datetime.now(UTC) - _AGES[self]


_WORDS = {Age.HOUR: "1 hour", Age.HOURS: "6 hours", Age.DAY: "1 day", Age.WEEK: "7 days"}
_AGES = {
    Age.HOUR: timedelta(hours=1),
    Age.HOURS: timedelta(hours=6),
    Age.DAY: timedelta(days=1),
    Age.WEEK: timedelta(days=7),
}


def text_of(request: Request, name: str) -> str | None:
    """Return a text of the address; None if it is not there or empty.

    Raises:
        Refusal: no database can have it.
    """
    return checked_text(request.query_params.get(name, "").strip(), name)


def checked_text(text: str, name: str) -> str | None:
    """Return a text that a person gave; None for an empty one.

    Raises:
        Refusal: no database can have it.
    """
    if "\0" in text or len(text) > LONGEST_TEXT:
        raise _refused(name, text)
    return text or None


def choice_of(kind: type[E], text: str | None, name: str) -> E | None:
    """Return one of an enum's values; None for none.

    Raises:
        Refusal: it is none of them.
    """
    if not text:
        return None
    try:
        return kind(text)
    except ValueError:
        raise _refused(name, text) from None


def number_of(text: str) -> int | None:
    """Return a number, such as an id; None if the text is none that a database can have."""
    if not text.isdecimal() or len(text) > len(str(LARGEST_NUMBER)):
        return None
    number = int(text)
    return number if number <= LARGEST_NUMBER else None


def moment_of(text: str) -> datetime:
    """Return a time that has its zone.

    Raises:
        ValueError: it is no time, has no zone, or UTC cannot have it.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("it has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is out of range") from None


def write_place(at: datetime, id_: object) -> str:
    """Return a place in a list as a text for an address."""
    return f"{at.isoformat()} {id_}"


def read_place(request: Request, name: str) -> tuple[datetime, str] | None:
    """Read a place in a list back: its time, and the text of its id.

    Raises:
        Refusal: it is none of ours.
    """
    text = text_of(request, name)
    if text is None:
        return None
    at, _, id_ = text.partition(" ")
    try:
        return moment_of(at), id_
    except ValueError:
        raise _refused(name, text) from None


def _refused(name: str, text: str) -> Refusal:
    return Refusal(
        HTTPStatus.BAD_REQUEST,
        f"The address is wrong: {name} cannot be {text[:LONGEST_TEXT]!r}.",
        "Go back to the page, and choose again.",
    )
