"""Which holds a person means: by a filter, or by name. Read from an address or from a form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.requests import Request

from reconciler.console.context import field_of, form_of
from reconciler.console.error_pages import Refusal
from reconciler.console.query import Age, checked_text, choice_of, moment_of, number_of, text_of
from reconciler.domain.decide import HoldReason
from reconciler.store.bulk_holds import HoldCount, HoldFilter


@dataclass(frozen=True, kw_only=True)
class HoldQuery:
    """The filter of the list, as its address has it. `age` is how long held at least."""

    reason: HoldReason | None
    symbol: str | None
    age: Age | None
    search: str | None

    @classmethod
    def of(cls, request: Request) -> "HoldQuery":
        """Read it from the address.

        Raises:
            Refusal: a value cannot be.
        """
        return cls(
            reason=choice_of(HoldReason, text_of(request, "reason"), "reason"),
            symbol=text_of(request, "symbol"),
            age=choice_of(Age, text_of(request, "age"), "age"),
            search=text_of(request, "search"),
        )

    @property
    def filter(self) -> HoldFilter:
        """The filter of the store, as of now."""
        return HoldFilter(
            reason=self.reason,
            symbol=self.symbol,
            held_before=None if self.age is None else self.age.begin,
            search=self.search,
        )

    @property
    def fields(self) -> dict[str, object]:
        """The fields of the address."""
        return {
            "reason": self.reason,
            "symbol": self.symbol,
            "age": self.age,
            "search": self.search,
        }

    @property
    def is_empty(self) -> bool:
        """True if it matches all holds."""
        return not any(self.fields.values())


def filter_fields(hold_filter: HoldFilter) -> Mapping[str, object]:
    """Return the fields of a form that has a filter; `read_filter` reads them back."""
    before = hold_filter.held_before
    return {
        "reason": hold_filter.reason or "",
        "symbol": hold_filter.symbol or "",
        "held_before": "" if before is None else before.isoformat(),
        "search": hold_filter.search or "",
    }


def read_filter(request: Request) -> HoldFilter:
    """Read a filter from a form.

    Raises:
        Refusal: a value cannot be.
    """
    text = field_of(request, "held_before")
    try:
        before = moment_of(text) if text else None
    except ValueError:
        raise unreadable("held_before is no time with its zone") from None
    return HoldFilter(
        reason=choice_of(HoldReason, field_of(request, "reason"), "reason"),
        symbol=checked_text(field_of(request, "symbol"), "symbol"),
        held_before=before,
        search=checked_text(field_of(request, "search"), "search"),
    )


def count_fields(count: HoldCount) -> Mapping[str, object]:
    """Return the fields of a form that say which holds a person has confirmed."""
    by_reason = " ".join(f"{reason}={number}" for reason, number in sorted(count.by_reason.items()))
    return {"counted": by_reason, "last_id": count.last_id}


def is_as_confirmed(request: Request, count: HoldCount) -> bool:
    """Return True if the holds are still as many, for the same reasons, as was confirmed."""
    return field_of(request, "counted") == count_fields(count)["counted"]


def last_id_of(request: Request) -> int:
    """Return the newest hold that was counted.

    Raises:
        Refusal: the form does not say.
    """
    last_id = number_of(field_of(request, "last_id"))
    if last_id is None:
        raise unreadable("last_id is no id of a hold")
    return last_id


def named_orders(request: Request) -> Sequence[str]:
    """Return the ids of the orders that were chosen, each once, as the form has them.

    Raises:
        Refusal: none was.
    """
    texts = tuple(dict.fromkeys(form_of(request).get("order", ())))
    if not texts or any("\0" in text for text in texts):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "No order was chosen.", "Go back, and tick at least one."
        )
    return texts


def unreadable(why: str) -> Refusal:
    """Return the refusal of a form that no page of ours has sent."""
    return Refusal(HTTPStatus.BAD_REQUEST, f"The form cannot be read, so nothing was done: {why}.")
