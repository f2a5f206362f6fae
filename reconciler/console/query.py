"""What a page reads from its address: filters, and the place where a list goes on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request

from reconciler.console.error_pages import Refusal
from reconciler.formatting import printable
from reconciler.store.order_ids import parse_integer

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")

LONGEST_TEXT = 200
LONGEST_SHOWN = 60


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
    if "\0" in text:
        raise _refused(name, text, "it has a NUL, which no database stores")
    if len(text) > LONGEST_TEXT:
        raise _refused(name, text, f"it is longer than {LONGEST_TEXT} letters")
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
        raise _refused(name, text, f"it is none of {', '.join(kind)}") from None


def number_of(text: str) -> int | None:
    """Return a number, such as an id; None if the text is none that a database can have."""
    try:
        return parse_integer(text)
    except ValueError:
        return None


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


def read_place(
    request: Request, name: str, read_id: Callable[[str], T]
) -> tuple[datetime, T] | None:
    """Read a place in a list back: its time and its id, which `read_id` reads from its text.

    Raises:
        Refusal: it is none of ours.
    """
    text = text_of(request, name)
    if text is None:
        return None
    at, _, id_ = text.partition(" ")
    try:
        return moment_of(at), read_id(id_)
    except ValueError:
        why = "it is no place in this list, a time and an id"
        raise _refused(name, text, why) from None


def _refused(name: str, text: str, why: str) -> Refusal:
    shown = text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
    return Refusal(
        HTTPStatus.BAD_REQUEST,
        f'Nothing was done: {name} cannot be "{printable(shown)}": {why}.',
        "Go back to the page, and choose again.",
    )
