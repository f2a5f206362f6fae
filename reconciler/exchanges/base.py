"""The port: what the worker asks of an exchange, and what it gets back.

An adapter answers for orders; how many requests that takes, and which, is its own affair. It never
guesses: an order is in `answers` only if the exchange said something about that very order. What
could not be asked is in `failures` with the reason, and the two together cover every order wanted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from reconciler.domain.report import Answer
from reconciler.domain.value import Value
from reconciler.errors import BreakerOpen, ExchangeError, NotSent


class OrderRef(Value):
    """An order to ask about, named as our row names it."""

    symbol: str
    external_order_id: str


Failure = ExchangeError | BreakerOpen | NotSent


@dataclass(kw_only=True, slots=True)
class LookupResult:
    """What came of asking: an answer or a failure for every order wanted, never both."""

    answers: dict[OrderRef, Answer] = field(default_factory=dict)
    failures: dict[OrderRef, Failure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Venue:
    """What is known of an exchange before talking to it.

    Attributes:
        weight_per_minute: The published limit of request weight for one account or address.
        single_weight: What a question about one order costs.
        history_page: Orders on one full page of history: as many of one symbol as one request can
            answer for. The supervisor cuts a hot symbol into runs of this length.
        history_weight: What such a page costs.
        retention: Ended orders are forgotten after this; None: never.
        placement_grace: A new order may be "not found" for this long.
    """

    name: str
    base_url: str
    weight_per_minute: int
    single_weight: int
    history_page: int
    history_weight: int
    retention: timedelta | None
    placement_grace: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Who the exchange says we are, and how far its clock is ahead of ours.

    `identity` None: it accepts us, and does not say as whom.
    """

    identity: str | None
    clock_offset: timedelta


class Clock(Protocol):
    """Tells the time by the database's clock, which all hosts share."""

    def __call__(self) -> datetime:
        """Return now, timezone-aware."""
        ...


class Exchange(Protocol):
    """One account at one exchange."""

    @property
    def venue(self) -> Venue:
        """Its published facts."""
        ...

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`, with the least weight that gives each an answer.

        Never raises for what the exchange does: that is in `failures`.
        """
        ...

    async def fetch_account(self) -> Account:
        """Ask who we are: proves that the exchange is reached and the credentials are accepted.

        Raises:
            ExchangeError: it is not, or they are not.
        """
        ...

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours: the cheapest question there is.

        Raises:
            ExchangeError: it is not reached.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
