"""The port between workers and exchanges: requests, results, and the parts of an adapter.

`Exchange.fetch` answers for a batch of orders; the adapter decides which requests to send. It never
guesses: an order is in `answers` only if the exchange said something about that very order.
Otherwise it is in `failures` with the reason. Together they cover every order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

import httpx

from reconciler.domain.report import Answer
from reconciler.domain.retention import Retention
from reconciler.domain.value import Value
from reconciler.errors import BreakerOpen, ExchangeError, NotSent
from reconciler.exchanges.key_form import ANY_KEY, KeyForm
from reconciler.exchanges.request_policy import Sender
from reconciler.resilience.budget import Budget
from reconciler.resilience.limits import Cost, RateLimit
from reconciler.resilience.nonces import Nonces as Nonces  # noqa: PLC0414 - a part of this port
from reconciler.settings import Credentials, KeyType
from reconciler.telemetry.redact import redact


class OrderRef(Value, cache_hash=True):
    """An order to ask about, by symbol and id as in our row."""

    symbol: str
    external_order_id: str


Failure = ExchangeError | BreakerOpen | NotSent


@dataclass(kw_only=True, slots=True)
class LookupResult:
    """Either an answer or a failure for every order asked about, never both."""

    answers: dict[OrderRef, Answer] = field(default_factory=dict)
    failures: dict[OrderRef, Failure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Venue:
    """Published facts of an exchange.

    Attributes:
        limits: All its rate limits that apply to our requests.
        lookup_cost: What a request for one order takes from them.
        chunk_size: The most orders of one symbol that one request can answer for. The supervisor
            cuts a hot symbol into chunks of this length.
        chunk_cost: What such a request takes.
        retention: How long the exchange remembers an ended order, by how it ended.
        placement_grace: A new order may be "not found" for this long.
        needs_passphrase: True if requests are signed with EXCHANGE_API_PASSPHRASE besides key and
            secret. Adapters of other venues never get the passphrase.
        key_types: The types of key with which the exchange's requests can be signed.
        needs_nonce: True if each signed request carries a number that only grows for a key.
        account_identity: What `Account.identity` is at this exchange, for a person; None if the
            exchange never names the account of a key.
        key_form: How it writes the keys that it issues.
        absent_order_id: An id in its form that no order of ours has, to ask about.
        address_options: The queries that its address may end with, such as "simulated=1".
    """

    name: str
    base_url: str
    limits: tuple[RateLimit, ...]
    lookup_cost: Cost
    chunk_size: int
    chunk_cost: Cost
    retention: Retention
    placement_grace: timedelta
    needs_passphrase: bool = False
    key_types: frozenset[KeyType] = frozenset(KeyType)
    needs_nonce: bool = False
    account_identity: str | None = None
    key_form: KeyForm = ANY_KEY
    absent_order_id: str = "1"
    address_options: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """Its `base_url` as people are shown it: without a password that stands in it."""
        return redact(self.base_url)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The account of our credentials, and how far the exchange's clock is ahead of ours.

    `identity` is None if the exchange accepts the credentials but does not name the account.
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

        Never raises for an error of the exchange, which goes into `failures`.
        """
        ...

    async def fetch_account(self) -> Account:
        """Ask which account the credentials belong to. Success proves that they are accepted.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        ...

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours, with the cheapest request there is.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        ...

    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which symbols the exchange lists.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        ...

    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it: that spelling is in `fetch_symbols` if any is."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestTrial:
    """A kind of request that was sent once.

    Attributes:
        what: The kind, in words.
        failure: Why it failed; None if it was answered.
        names_order: True if it names the order that does not exist, and may be rejected for that.
    """

    what: str
    failure: Failure | None
    names_order: bool = False


@runtime_checkable
class TriesRequests(Protocol):
    """An exchange that can send one harmless request of each kind that its searches need."""

    async def try_requests(self, ref: OrderRef) -> Sequence[RequestTrial]:
        """Ask about `ref`, an order that does not exist, in every way. Never raises."""
        ...


class OpenExchange(Protocol):
    """Opens one account at a venue; sends nothing."""

    def __call__(
        self,
        *,
        venue: Venue,
        client: httpx.AsyncClient,
        sender: Sender,
        budget: Budget,
        credentials: Credentials,
        clock: Clock,
        requests_at_once: int,
        nonces: Nonces,
    ) -> Exchange:
        """Send through `client`, which `Exchange.close` closes. `clock` is the database's.

        An exchange that wants no nonces ignores `nonces`.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """An adapter for the registry. Its package exports one as `ADAPTER`.

    Attributes:
        venue: The facts of the exchange that the adapter is made for.
        open: Opens an `Exchange` at that venue.
        requests_at_once: Concurrent requests of one account, if the caller sets no other number.
    """

    venue: Venue
    open: OpenExchange
    requests_at_once: int
