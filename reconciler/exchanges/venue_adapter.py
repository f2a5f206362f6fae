"""What the adapters of all venues have in common: one account, asked over HTTP.

    fetch -> spelled as the exchange does     by reconciler.exchanges.spelling
          -> rounds of queries                by reconciler.exchanges.order_search, with `_plan`
          -> one request each                 `_run`, which sends with `_api`
          -> spelled as the caller does

A venue's adapter has only what is that venue's:

    class Sixth(VenueAdapter):
        _plan = AnyIds(queries=QUERIES)

        @staticmethod
        def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
            return SixthApi(venue.base_url, credentials)

        def request_symbol(self, symbol: str) -> str:
            return symbol.upper()

        def _invalid_reason(self, ref: OrderRef) -> str | None:
            return None if ref.external_order_id.isdecimal() else "an order's id is a number"

        async def _fetch_identity(self) -> str | None:
            response = await self._api.get(ACCOUNT_PATH, {}, ACCOUNT_COST, decode_account)
            return response.value_or_raise()

        async def fetch_symbols(self) -> frozenset[str]:
            return await self._api.get_unsigned(SYMBOLS_PATH, {}, SYMBOLS_COST, decode_symbols)

        async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
            ...                               see reconciler.exchanges.order_search

Guarantees of `fetch`, if `_run` keeps its own:
1. Every order gets an answer or a failure, never both.
2. No request is sent about an order whose symbol or id the exchange cannot know.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import httpx

from reconciler.domain.report import OrderFault
from reconciler.exchanges.api_client import ApiClient, VenueApi
from reconciler.exchanges.base import (
    Account,
    Clock,
    LookupResult,
    Nonces,
    OrderRef,
    RequestTrial,
    Venue,
)
from reconciler.exchanges.order_search import OrderSearch
from reconciler.exchanges.query_plan.protocol import QueryPlan
from reconciler.exchanges.query_plan.queries import Query
from reconciler.exchanges.query_result import QueryResult, order_fault
from reconciler.exchanges.request_policy import Sender
from reconciler.exchanges.spelling import as_called, request_refs
from reconciler.resilience.budget import Budget
from reconciler.settings import Credentials


class VenueAdapter(ABC):
    """One account at an exchange. Implements `reconciler.exchanges.base.Exchange`.

    Attributes:
        _plan: Chooses the queries.
    """

    _plan: ClassVar[QueryPlan[Any]]

    def __init__(
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
    ) -> None:
        """Ask `venue` through `client`, which `close` closes. `clock` is the database's."""
        self._venue = venue
        self._credentials = credentials
        self._clock = clock
        self._api = ApiClient(
            self._venue_api(venue, credentials),
            client=client,
            sender=sender,
            budget=budget,
            credentials=credentials,
            clock=clock,
            nonces=nonces if venue.needs_nonce else None,
        )
        self._search = OrderSearch(
            plan=self._plan,
            run=self._run,
            requests_at_once=requests_at_once,
            absent_order_id=venue.absent_order_id,
        )

    @property
    def venue(self) -> Venue:
        """The exchange's published facts."""
        return self._venue

    async def fetch(self, refs: Sequence[OrderRef]) -> LookupResult:
        """Ask about every order in `refs`, with the fewest requests that give each an answer."""
        asked = request_refs(refs, self._query_symbol, self._request_id)
        invalid = {ref: reason for ref in asked.requested if (reason := self._invalid_reason(ref))}
        found = await self._search.find(ref for ref in asked.requested if ref not in invalid)
        now = self._clock()
        for ref, reason in invalid.items():
            found.answers[ref] = self._order_fault(ref, reason, now)
        return as_called(found, asked.spellings)

    async def try_requests(self, ref: OrderRef) -> Sequence[RequestTrial]:
        """Send one request of each kind, about an order that does not exist."""
        return await self._search.try_each(ref)

    async def fetch_account(self) -> Account:
        """Ask which account the key belongs to, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """
        identity = await self._fetch_identity()
        return Account(identity=identity, clock_offset=await self._api.server_offset())

    async def fetch_clock_offset(self) -> timedelta:
        """Ask how far the exchange's clock is ahead of ours. Every call sends a request.

        Raises:
            ExchangeError: the exchange did not answer.
        """
        return await self._api.measure_offset()

    @abstractmethod
    async def fetch_symbols(self) -> frozenset[str]:
        """Ask which symbols the exchange lists, whether they trade now or not.

        Raises:
            ExchangeError: the exchange did not answer.
        """

    @abstractmethod
    def request_symbol(self, symbol: str) -> str:
        """Return a symbol as `fetch` asks for it: that spelling is in `fetch_symbols` if any is."""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    @staticmethod
    @abstractmethod
    def _venue_api(venue: Venue, credentials: Credentials) -> VenueApi:
        """Return how the venue writes requests and reads answers."""

    def _query_symbol(self, symbol: str) -> str:
        """Return the symbol in queries: the same for every order where an id alone names one."""
        return self.request_symbol(symbol)

    def _request_id(self, external_order_id: str) -> str:
        """Return an order's id as the exchange writes it: as in its answers."""
        return external_order_id

    @abstractmethod
    def _invalid_reason(self, ref: OrderRef) -> str | None:
        """Return why the exchange cannot know this symbol and id, or None if it may."""

    def _order_fault(self, ref: OrderRef, reason: str, fetched_at: datetime) -> OrderFault:
        """Return the answer for an order that the exchange cannot be asked about as it is."""
        return order_fault(ref, reason, fetched_at)

    @abstractmethod
    async def _fetch_identity(self) -> str | None:
        """Ask which account the key belongs to: see `Account`.

        Raises:
            ExchangeError: the exchange did not answer, or refused the credentials.
        """

    @abstractmethod
    async def _run(self, query: Query, wanted: frozenset[OrderRef]) -> QueryResult:
        """Send the request of a query for the orders that are `wanted` from it.

        Raises:
            ExchangeError: the query failed as a whole.
            BreakerOpen: nothing was sent.
        """
