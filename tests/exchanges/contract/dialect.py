"""What a venue supplies to the contract suite: its answers as documented, and how it words things.

A venue's module has a subclass of `Dialect`, and `scripts/mutated-answers` uses the same. Nothing
else in the suite knows a venue.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from reconciler.domain.report import Absent, Archived, OrderFault
from reconciler.domain.status import Status
from reconciler.errors import ClockSkew, ExchangeError
from reconciler.settings import Credentials

Json = dict[str, Any]

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
"""The time by both clocks, the exchange's and ours."""

PRICE = Decimal(25)
"""The average price of everything that is executed."""

QUANTITY = "2.00000000"


class RequestKind(StrEnum):
    """What a request is for."""

    LOOKUP = "look-up of orders by id"
    LIST = "list of orders"
    TIME = "the exchange's time"
    ACCOUNT = "the account"
    SYMBOLS = "the symbols"


ABOUT_ORDERS = frozenset({RequestKind.LOOKUP, RequestKind.LIST})


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as the server received it; headers by small letters."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def all_parameters(self) -> list[tuple[str, str]]:
        """The parameters of the query, then those of a form in the body."""
        form = self.body.decode(errors="replace")
        return [
            *parse_qsl(self.query, keep_blank_values=True),
            *parse_qsl(form, keep_blank_values=True),
        ]

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters by name; of one that stands several times, the last."""
        return dict(self.all_parameters)

    @property
    def json_body(self) -> Json:
        """The JSON object in the body of a POST; empty if there is none."""
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def values_of(self, name: str) -> list[str]:
        """Return all values of a parameter that stands several times."""
        return [value for own, value in self.all_parameters if own == name]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer for the server to send."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def a_reply(value: object, status: int = 200, **headers: str) -> Reply:
    """Return a JSON answer. `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(body=json.dumps(value).encode(), status=status, headers=named)


@dataclass(frozen=True, kw_only=True)
class HeldOrder:
    """An order at the exchange, in no venue's words but for `word`, `symbol` and `order_id`."""

    number: int
    symbol: str
    order_id: str
    word: str
    is_open: bool
    executed: str = "0.00000000"
    quantity: str = QUANTITY
    is_quote_sized: bool = False
    changes: Mapping[str, object] = field(default_factory=dict)
    """Fields that its row has instead of the documented ones; `MISSING` leaves one out."""

    @property
    def quote_amount(self) -> str:
        """What was paid for the executed quantity."""
        return f"{Decimal(self.executed) * PRICE:f}"

    @property
    def average(self) -> str | None:
        """The average price as text, None if nothing is executed."""
        return str(PRICE) if Decimal(self.executed) else None

    @property
    def placed_ms(self) -> int:
        """When it was placed: an hour ago, and each order a second after the one before."""
        return round(NOW.timestamp() * 1000) - 3_600_000 + self.number * 1000


MISSING = object()


def with_changes(row: Json, order: HeldOrder) -> Json:
    """Return the row with the changes of the order."""
    changed = {**row, **order.changes}
    return {name: value for name, value in changed.items() if value is not MISSING}


@dataclass(frozen=True, kw_only=True)
class StatusCase:
    """One documented status word, and the status that a report of it must have.

    Attributes:
        word: As documented.
        status: Ours, None for a word that says nothing. An open order with a part executed may be
            NEW here, since `decide` makes it partial.
        is_open: True if the venue lists it among the open orders.
        executed: The quantity executed of 2, as an order of this word has it.
    """

    word: str
    status: Status | None
    is_open: bool
    executed: str = "0.00000000"


@dataclass(frozen=True, kw_only=True)
class ErrorCase:
    """A documented answer of an error, and what it must become for every order asked about.

    Attributes:
        name: For the test's id.
        reply: The answer to each request about orders.
        becomes: The class of the failure, or of the answer if the error is about the order.
        retry_after_seconds: If it limits the rate, for how long.
    """

    name: str
    reply: Reply
    becomes: type[ExchangeError | Absent | Archived | OrderFault]
    retry_after_seconds: float | None = None


class Dialect(ABC):
    """One venue's answers as documented.

    Attributes:
        name: As in EXCHANGE_NAME.
        credentials: Made up, in the venue's form.
        symbols: Three that it lists, as it writes them.
        unlisted_symbol: One that it could list and does not.
        statuses: Every documented status word.
        page_size: The most orders on one page of the list by which many orders of `paged_word` are
            asked for; None if there is no such list, it comes as a whole, or look-ups cost less.
        batch_limit: The most ids in one look-up.
        errors: Every documented class of error, in each shape.
        not_found: Each shape in which a look-up of one order says that there is none.
        clock_refusals: Answers that refuse a timestamp or a nonce: a second attempt must follow.
        always_refused_becomes: The failure if the second attempt is refused too.
        decides_nothing: Fields of a row that may be missing without any harm.
        decides: Fields of a row without which it cannot be read.
        bad_values: Values that make the row of an order unreadable, by field.
        statuses_that_it_has_not: Statuses of ours that no word of the venue means.
        partial_then_canceled: The words of an open order with a part executed, and of it canceled.
        paged_word: The word of orders that are asked for by lists of several pages; None for open
            ones.
        one_by_one: "open", "ended", both or none: the orders of which the venue has neither a list
            nor a look-up of several, so that each takes a request of its own.
        has_quote_sized: False if no order of the venue is sized in quote currency.
        word_of_full_rows: The word of orders that are looked up, where the rows of lists lack
            fields of `decides`; None if all rows are alike.
        asks_by_id_alone: True if its look-ups name no symbol.
        account_identity: What names the account in `fetch_account`.
        account_request: The request with which `fetch_account` proves the key.
        does_not_apply: Scenarios that cannot be asked of the adapter, by their names, and why not.
    """

    name: ClassVar[str]
    credentials: ClassVar[Credentials]
    symbols: ClassVar[tuple[str, str, str]]
    unlisted_symbol: ClassVar[str]
    statuses: ClassVar[Sequence[StatusCase]]
    page_size: ClassVar[int | None] = None
    batch_limit: ClassVar[int] = 1
    errors: ClassVar[Sequence[ErrorCase]]
    not_found: ClassVar[Mapping[str, Reply]]
    clock_refusals: ClassVar[Mapping[str, Reply]]
    always_refused_becomes: ClassVar[type[ExchangeError]] = ClockSkew
    decides_nothing: ClassVar[Sequence[str]]
    decides: ClassVar[Sequence[str]]
    bad_values: ClassVar[Mapping[str, Sequence[object]]]
    statuses_that_it_has_not: ClassVar[frozenset[Status]] = frozenset()
    partial_then_canceled: ClassVar[tuple[str, str]]
    paged_word: ClassVar[str | None] = None
    one_by_one: ClassVar[frozenset[str]] = frozenset()
    has_quote_sized: ClassVar[bool] = True
    word_of_full_rows: ClassVar[str | None] = None
    asks_by_id_alone: ClassVar[bool] = False
    account_identity: ClassVar[str | None]
    account_request: ClassVar[RequestKind] = RequestKind.ACCOUNT
    does_not_apply: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @abstractmethod
    def order_id(self, number: int) -> str:
        """Return the id of the order `number`, in the venue's form and of its greatest length."""

    @abstractmethod
    def kind_of(self, request: Request) -> RequestKind | None:
        """Return what a request is for; None if the venue has no such route."""

    @abstractmethod
    def answer(self, request: Request, orders: Iterable[HeldOrder], now: datetime) -> Reply:
        """Answer a request as documented, from `orders`."""

    def ids_in(self, request: Request) -> Sequence[str]:
        """Return the ids that a look-up names."""
        raise NotImplementedError

    def page_of(self, request: Request) -> str | None:  # noqa: ARG002 - for lists that have pages
        """Return what tells a later page of a list from the first; None for the first page."""
        return None

    def held(self, number: int, word: str | None = None, **fields: Any) -> HeldOrder:
        """Return an order with the word, or else an open one without any execution."""
        case = self.case_of(word) if word else self.open_case
        order = HeldOrder(
            number=number,
            symbol=self.symbols[0],
            order_id=self.order_id(number),
            word=case.word,
            is_open=case.is_open,
            executed=case.executed,
        )
        return replace(order, **fields)

    def case_of(self, word: str) -> StatusCase:
        """Return the case of a status word."""
        return self._cases[word]

    @cached_property
    def _cases(self) -> Mapping[str, StatusCase]:
        return {case.word: case for case in self.statuses}

    @cached_property
    def open_case(self) -> StatusCase:
        """An open order without any execution."""
        return next(one for one in self.statuses if one.status is Status.NEW and one.is_open)

    @property
    def filled_case(self) -> StatusCase:
        """An order that is filled."""
        return next(case for case in self.statuses if case.status is Status.FILLED)

    @property
    def canceled_case(self) -> StatusCase:
        """An order that was canceled."""
        return next(case for case in self.statuses if case.status is Status.CANCELED)
