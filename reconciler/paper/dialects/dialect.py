"""What a dialect of the paper exchange is: how one venue spells, signs, answers and refuses.

The exchange knows orders, markets, faults and a clock. It knows no venue. Whatever differs between
venues is behind `Dialect`. To add a venue, write the package `paper/dialects/<venue>/` that exports
`DIALECT`, an object with everything below, and add its line to `reconciler.paper.dialects`. It must
supply

names        `name`, `public_path`, and `routes`: method, path, a name for faults and the log,
             whether it is private, its cost, and the function that answers it
spelling     `symbol` of a market, `order_id` of a number and `number` of an id (a bijection), the
             status `word` of a state, and `row_status`: what a row must say once that word was read
requests     `target`: whom a request asks about, so that faults can select it
limits       `new_meter`: a `LimitMeter` of the published limits; `limit_headers` after each request
access       `access_problem` of the options given, `authenticate` a request, and a `new_key` as the
             venue issues it (`reconciler.paper.new_keys`)
refusals     `refusal`: how it words each fault and limit, or None where it has no words for it;
             `no_such_path`
distortion   `order_objects` and `emptied`: where the orders of an answer are
chaos        `lookup_routes`, `unreadable_fields`, `lost_fields`, `limit_header_names`: what faults
             can aim at; `wordless_faults`: the faults for which the venue has no words;
             `untold_ban_seconds`: whether a client is told when a ban ends

An answer depends on a view of the account and a request only. A request that cannot be answered
raises `Refused` with the whole answer. The exchange encodes what a route returns: build it from
plain values or msgspec structs, with numbers as the venue writes them.

Inside, an order has the symbol BASEQUOTE ("BTCUSDT"), an integer id that is unique in the account,
quantities as integers of 10^-8 (`fixed_point`), and one of `ExchangeStatus` as its status. Any
other text in its place was set by hand and is shown as it is. The admin routes use these inner
names in every dialect, and return the dialect's spelling next to them.

`tests/paper/<venue>` shows it to a stock client: see `tests/paper/test_clients.py` for Binance's.
Independence is the point: take facts from the venue's documentation, never from
`reconciler.exchanges`, whose mistakes this is to show.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, Self

import msgspec

from reconciler.domain.status import Status
from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.faults.effects import (
    Archive,
    Ban,
    BlockAtFirewall,
    Maintenance,
    RateLimit,
    Refuse,
    RefuseKey,
    ServerError,
)
from reconciler.paper.faults.rules import RequestTarget
from reconciler.paper.lifecycle import OrderState
from reconciler.paper.market import Market
from reconciler.paper.meters import Charge, Cost, Meter
from reconciler.paper.new_keys import NewKey

JSON = "application/json"
HTML = "text/html"

Refusal = (
    RateLimit | Ban | ServerError | Maintenance | RefuseKey | BlockAtFirewall | Refuse | Archive
)
"""The reasons for which the exchange refuses a request that may be in order. `RateLimit` and `Ban`
come from faults and from limits alike; `seconds` is how long it will refuse further requests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperRequest:
    """One request as it arrived.

    Attributes:
        path: Without the query.
        query: The query string as it was sent, still percent-encoded.
        headers: By name in lower case.
        path_parameters: The parts of the path in braces, decoded.
    """

    route: "Route"
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    address: str
    path_parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperAnswer:
    """A whole HTTP answer."""

    body: bytes
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON

    @classmethod
    def of(
        cls, value: object, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
    ) -> Self:
        """Make an answer of JSON."""
        return cls(body=msgspec.json.encode(value), status=status, headers=headers or {})


class Refused(Exception):
    """The request is answered with an error: `answer`."""

    def __init__(self, answer: PaperAnswer) -> None:
        self.answer = answer
        super().__init__(f"HTTP {answer.status}: {answer.body[:200]!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One route of a dialect.

    Attributes:
        name: What faults and the request log call it; unique in the dialect.
        path: May have parameters: "/orders/{order_id}".
        answer: Returns a value that msgspec can encode as JSON. Raises `Refused`.
        cost: What a request takes from each limit, by name; or a function of the request.
        is_private: True if a request needs credentials.
    """

    name: str
    path: str
    answer: Callable[[PaperRequest, AccountView], object]
    cost: Cost | Callable[[PaperRequest], Cost] = field(default_factory=dict)
    method: str = "GET"
    is_private: bool = True

    def cost_of(self, request: PaperRequest) -> Cost:
        """Return what one request takes from each limit."""
        return self.cost(request) if callable(self.cost) else self.cost


class Dialect(Protocol):
    """How one venue spells, signs, answers and refuses. Its attributes are read-only facts."""

    @property
    def name(self) -> str:
        """The venue's name, as in EXCHANGE_NAME."""
        ...

    @property
    def public_path(self) -> str:
        """The path of a public route without parameters, for people to try: the time, if any."""
        ...

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, including those that stock clients read when they load their markets."""
        ...

    @property
    def lookup_routes(self) -> tuple[str, ...]:
        """The names of the routes that answer about single orders, by id."""
        ...

    @property
    def unreadable_fields(self) -> Mapping[str, object]:
        """Replacements that make an order unreadable, such as {"executedQty": None}."""
        ...

    @property
    def lost_fields(self) -> tuple[str, ...]:
        """Fields that no client can do without, such as ("status",)."""
        ...

    @property
    def limit_header_names(self) -> tuple[str, ...]:
        """The names of the headers in `limit_headers`; none if the venue sends none."""
        ...

    @property
    def wordless_faults(self) -> frozenset[str]:
        """The settings of `Faults` that change nothing here, such as "archived_rate".

        Chaos leaves them out, and the reference says so. They are those of refusals that `refusal`
        answers with None, and others such as "account_uid" if no answer names the account.
        """
        ...

    @property
    def untold_ban_seconds(self) -> float:
        """How long a ban lasts at least if no answer tells its end; 0: answers tell it.

        Chaos is shorter than such a ban, and leaves it out.
        """
        ...

    # Spelling

    def symbol(self, market: Market) -> str:
        """Spell a market's symbol as answers do; a platform's row has the same."""
        ...

    def order_id(self, number: int) -> str:
        """Spell an order's id as answers do; a platform's row has the same."""
        ...

    def number(self, order_id: str) -> int | None:
        """Return the number of an id: the inverse of `order_id`; None if it is not such an id."""
        ...

    def word(self, state: OrderState) -> str:
        """Return the venue's word for a state; a status set by hand as it is."""
        ...

    def row_status(self, state: OrderState) -> Status | None:
        """Return what a row must say once `word` was read; None: nothing, as it is unknown.

        A venue without a word for, say, an expired order calls it canceled: so must the row.
        """
        ...

    # Requests

    def target(self, request: PaperRequest) -> RequestTarget:
        """Return what faults select by: the route's name, and the inner symbol and ids."""
        ...

    def api_key(self, request: PaperRequest) -> str | None:
        """Return the name of the key that a request claims to have, unchecked."""
        ...

    # Limits

    def new_meter(self, limit: int | None = None, *, is_enforced: bool = True) -> Meter:
        """Return a meter of the published limits; `limit` replaces the first one's amount.

        Not enforced, it only counts, and refuses nothing but pauses and bans.
        """
        ...

    def limit_headers(self, charge: Charge) -> Mapping[str, str]:
        """Return the headers that tell a client about limits, on every answer."""
        ...

    # Access

    def access_problem(self, access: AccessPolicy) -> str | None:
        """Say what this venue lacks in the credentials to accept, or cannot use; None: nothing."""
        ...

    def authenticate(self, request: PaperRequest, view: AccountView) -> None:
        """Check that a private request proves `view.access` (key, signature, passphrase, time).

        Without any configured, none are needed. A nonce is compared with `view.nonces`, and
        recorded there once the signature is right.

        Raises:
            Refused: the credentials are missing or wrong.
        """
        ...

    def new_key(self) -> NewKey:
        """Make a key as the venue issues it; its `access` has no `access_problem`."""
        ...

    # Refusals

    def refusal(self, why: Refusal, request: PaperRequest, view: AccountView) -> PaperAnswer | None:
        """Word a fault or a limit; None if this venue has no words for it: it is then left out."""
        ...

    def no_such_path(self, method: str, path: str) -> PaperAnswer:
        """Answer a request to a path or with a method that does not exist."""
        ...

    # Distortion

    def order_objects(self, answer: Any) -> Iterable[tuple[tuple[str, int] | None, dict[str, Any]]]:
        """Yield each order in a decoded answer with its inner symbol and number.

        An answer without orders is yielded itself, with None.
        """
        ...

    def emptied(self, answer: object) -> object | None:
        """Return a route's answer with no orders in it; None if it is no list of orders."""
        ...
