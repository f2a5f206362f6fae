"""Binance spot, and whatever speaks its dialect: the testnet, a gateway, the paper exchange.

    ask -> rounds of routes (reconciler.exchanges.routes decides which)
             -> one request each, under the guard (budget, retry, breaker, timeout)
                  -> one attempt: sign, send, read the answer or raise what it means

Guarantees:
1. An order gets an answer only from a row of its own symbol and id, or from a look-up of its own.
2. A failure reaches exactly the orders for whose sake the request was sent. After one that every
   further request would meet too (bad key, clock, silence asked for) the rest of the batch fails
   with it, unsent.
3. An order whose row cannot be read fails alone.
4. No error's text carries a signature, a key or a token.

Source of every fact below: Binance's documentation (rest-api.md, errors.md, enums.md in
github.com/binance/binance-spot-api-docs), read 2026-11-24.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar, assert_never
from urllib.parse import quote, urlencode

import httpx
import msgspec

from reconciler.domain.report import Absent, Answer, Report, Unanswerable, average_price
from reconciler.domain.status import Status
from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    Unavailable,
)
from reconciler.exchanges import routes
from reconciler.exchanges.base import Account, Answers, Clock, Failure, Venue, Wanted
from reconciler.exchanges.routes import HistoryPage, OneOrder, OpenOrders, Route
from reconciler.resilience.budget import Budget
from reconciler.settings import Credentials
from reconciler.telemetry.redact import redact

VENUE = Venue(
    name="binance",
    base_url="https://api.binance.com",
    weight_per_minute=6000,
    history_page=1000,
    # errors.md, -2026: ended orders with nothing executed are archived after 90 days.
    retention=timedelta(days=90),
    # The query side lags the matching engine by up to 10 s.
    placement_grace=timedelta(seconds=60),
)
COSTS = routes.RouteCosts(
    one_order=4,
    open_orders=6,
    all_open_orders=80,
    history_page=20,
    page_orders=VENUE.history_page,
)
ACCOUNT_WEIGHT = 20
TIME_WEIGHT = 1

REQUESTS_AT_ONCE = 4
RECV_WINDOW_MS = 5000
LONGEST_NAME = 100

STATUSES: Mapping[str, Status] = MappingProxyType(
    {
        "PENDING_NEW": Status.PENDING,
        "NEW": Status.NEW,
        "PARTIALLY_FILLED": Status.PARTIAL,
        "FILLED": Status.FILLED,
        "CANCELED": Status.CANCELED,
        # "Currently unused". Still open; with something executed `decide` makes it partial.
        "PENDING_CANCEL": Status.NEW,
        "REJECTED": Status.REJECTED,
        "EXPIRED": Status.EXPIRED,
        "EXPIRED_IN_MATCH": Status.EXPIRED,
    }
)


class Meaning(StrEnum):
    """What an error code means to us."""

    ABSENT = "absent"
    ARCHIVED = "archived"
    SENSELESS = "senseless"
    TOO_MUCH = "too_much"
    CLOCK = "clock"
    REFUSED = "refused"
    PASSING = "passing"


_MEANINGS: Mapping[Meaning, tuple[int, ...]] = MappingProxyType(
    {
        Meaning.ABSENT: (-2013,),
        Meaning.ARCHIVED: (-2026,),
        Meaning.SENSELESS: (-1100, -1101, -1102, -1103, -1104, -1105, -1106, -1108, -1121, -1130),
        Meaning.TOO_MUCH: (-1003, 403, 418, 429),
        Meaning.CLOCK: (-1021,),
        Meaning.REFUSED: (-1002, -1022, -2014, -2015, 401),
        Meaning.PASSING: (-1000, -1001, -1006, -1007, -1008, -1016),
    }
)
CODES: Mapping[int, Meaning] = MappingProxyType(
    {code: meaning for meaning, codes in _MEANINGS.items() for code in codes}
)
"""What an error code or an HTTP status means; any other is passing: no evidence about an order."""

# How long to be quiet where no `Retry-After` says so. A ban (418) lasts 2 minutes at least and 3
# days at most. The firewall (403) tells no time, and asking on makes it block for longer.
SILENCE_SECONDS: Mapping[int, int] = MappingProxyType({403: 300, 418: 120})
OTHER_SILENCE_SECONDS = 60

ARCHIVED_WORD = "ARCHIVED"

T = TypeVar("T")


class Guarding(Protocol):
    """Sends requests within the rate budget and under retry, breaker and timeout."""

    async def call(self, weight: int, send: Callable[[], Awaitable[T]]) -> T:
        """Send, perhaps several times, and return what came of it.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An error that answers the question itself; `told` is the exchange's own text."""

    meaning: Meaning
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched(Generic[T]):
    """What an attempt brought, and when it was sent."""

    value: T | Fault
    fetched_at: datetime


class _Row(msgspec.Struct, frozen=True, rename="camel"):
    """One order as listed. Quantities are text, so that one that is no number fails alone."""

    symbol: str
    order_id: int
    status: str
    executed_qty: str
    cummulative_quote_qty: str | None = None


class _Time(msgspec.Struct, frozen=True, rename="camel"):
    server_time: int


class _Account(msgspec.Struct, frozen=True):
    uid: int


class _Error(msgspec.Struct, frozen=True):
    code: int
    msg: str = ""


_ROW = msgspec.json.Decoder(_Row)
_ROWS = msgspec.json.Decoder(list[_Row])
_TIME = msgspec.json.Decoder(_Time)
_ACCOUNT = msgspec.json.Decoder(_Account)
_ERROR = msgspec.json.Decoder(_Error)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(kw_only=True, slots=True)
class _Batch:
    """What the requests of one `ask` share."""

    gate: asyncio.Semaphore
    ended_by: Failure | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Outcome:
    """What one route brought."""

    route: Route
    answers: Mapping[Wanted, Answer] = field(default_factory=dict)
    failures: Mapping[Wanted, Failure] = field(default_factory=dict)
    page: routes.Page | None = None


class Binance:
    """One account at Binance. Implements `reconciler.exchanges.base.Exchange`.

    With an API key and secret every question is signed; with a bearer token alone it carries that
    (the paper exchange); with neither it is sent as it is.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        client: httpx.AsyncClient,
        guard: Guarding,
        budget: Budget,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        """Ask `venue` through `client`, which `close` closes. `clock` is the database's."""
        self._venue = venue
        self._client = client
        self._guard = guard
        self._budget = budget
        self._credentials = credentials
        self._clock = clock
        self._estimates = routes.Estimates()
        self._offset: timedelta | None = None
        self._synchronising = asyncio.Lock()

    @property
    def venue(self) -> Venue:
        """The exchange's published facts."""
        return self._venue

    async def ask(self, wanted: Sequence[Wanted]) -> Answers:
        """Ask about every order in `wanted`, with the least weight that gives each an answer."""
        spellings = _by_request_name(wanted)
        askable = frozenset(order for order in spellings if _is_askable(order))
        found = await self._search(askable)
        now = self._clock()
        for order in spellings.keys() - askable:
            found.answers[order] = _unanswerable(order, "empty or too long for a name", now)
        return _as_spelled(found, spellings)

    async def account(self) -> Account:
        """Ask who we are, and how far the exchange's clock is ahead of ours.

        Raises:
            ExchangeError: it is not reached, or does not accept the credentials.
        """
        fetched = await self._get("/api/v3/account", {}, ACCOUNT_WEIGHT, _ACCOUNT)
        if isinstance(fetched.value, Fault):
            raise Unavailable(fetched.value.told)
        return Account(identity=str(fetched.value.uid), clock_offset=await self._server_offset())

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _search(self, wanted: frozenset[Wanted]) -> Answers:
        found = Answers()
        batch = _Batch(gate=asyncio.Semaphore(REQUESTS_AT_ONCE))
        search = routes.start(wanted)
        while planned := routes.plan(search, COSTS, self._estimates):
            outcomes = await self._send_round(planned, search, batch)
            for outcome in outcomes:
                found.answers.update(outcome.answers)
                found.failures.update(outcome.failures)
            pages = [outcome.page for outcome in outcomes if outcome.page is not None]
            self._estimates = routes.learn(self._estimates, search, pages)
            search = routes.advance(
                search,
                settled=frozenset(found.answers) | frozenset(found.failures),
                open_lists=[route for route in planned if isinstance(route, OpenOrders)],
                pages=pages,
            )
        self._learn_ended_share(found)
        return found

    def _learn_ended_share(self, found: Answers) -> None:
        statuses = [
            answer.status
            for answer in found.answers.values()
            if isinstance(answer, Report) and answer.status is not None
        ]
        self._estimates = self._estimates.after_batch(
            reported=len(statuses), ended=sum(status.is_terminal for status in statuses)
        )

    async def _send_round(
        self, planned: Sequence[Route], search: routes.Search, batch: _Batch
    ) -> list[_Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._send(route, routes.asked_for(search, route), batch))
                for route in planned
            ]
        return [task.result() for task in tasks]

    async def _send(self, route: Route, asked: frozenset[Wanted], batch: _Batch) -> _Outcome:
        async with batch.gate:
            if batch.ended_by is not None:
                return _Outcome(route=route, failures=dict.fromkeys(asked, batch.ended_by))
            try:
                return await self._follow(route, asked)
            except (ExchangeError, BreakerOpen) as failure:
                if isinstance(failure, Refused | ClockSkew | RateLimited):
                    batch.ended_by = failure
                return _Outcome(route=route, failures=dict.fromkeys(asked, failure))

    async def _follow(self, route: Route, asked: frozenset[Wanted]) -> _Outcome:
        match route:
            case OneOrder():
                return await self._look_up(route)
            case OpenOrders():
                parameters = {} if route.symbol is None else {"symbol": route.symbol}
                weight = COSTS.all_open_orders if route.symbol is None else COSTS.open_orders
                fetched = await self._get("/api/v3/openOrders", parameters, weight, _ROWS)
                return _read_list(route, asked, fetched)
            case HistoryPage():
                parameters = {
                    "symbol": route.symbol,
                    "orderId": str(route.from_id),
                    "limit": str(COSTS.page_orders),
                }
                fetched = await self._get(
                    "/api/v3/allOrders", parameters, COSTS.history_page, _ROWS
                )
                return _read_list(route, asked, fetched)

    async def _look_up(self, route: OneOrder) -> _Outcome:
        order = route.wanted
        parameters = {"symbol": order.symbol, "orderId": order.external_order_id}
        fetched = await self._get("/api/v3/order", parameters, COSTS.one_order, _ROW)
        answer = (
            _conclude(order, fetched.value, fetched.fetched_at)
            if isinstance(fetched.value, Fault)
            else _report_of(order, fetched.value, fetched.fetched_at)
        )
        return _Outcome(route=route, answers={order: answer})

    async def _get(
        self,
        path: str,
        parameters: Mapping[str, str],
        weight: int,
        decoder: msgspec.json.Decoder[T],
    ) -> Fetched[T]:
        """Ask one question, signed if we have a key; with the exchange's clock taken anew once.

        Raises:
            ExchangeError: there is no usable answer.
            BreakerOpen: nothing was sent.
        """
        offset = await self._signing_offset()
        try:
            return await self._guard.call(
                weight, partial(self._attempt, path, parameters, decoder, offset)
            )
        except ClockSkew:
            self._forget_offset(offset)
            offset = await self._signing_offset()
        return await self._guard.call(
            weight, partial(self._attempt, path, parameters, decoder, offset)
        )

    async def _attempt(
        self,
        path: str,
        parameters: Mapping[str, str],
        decoder: msgspec.json.Decoder[T],
        offset: timedelta | None,
    ) -> Fetched[T]:
        """Send once; an `offset` means that the request is signed."""
        fetched_at = self._clock()
        query = (
            percent_encoded(parameters)
            if offset is None
            else self._signed(parameters, fetched_at + offset)
        )
        response = await self._client.get(
            f"{self._venue.base_url.rstrip('/')}{path}?{query}", headers=self._headers()
        )
        used = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
        if used.isdecimal():
            await self._budget.observe(int(used))
        value = _read(path, response, decoder, self._mend())
        return Fetched(value=value, fetched_at=fetched_at)

    def _signed(self, parameters: Mapping[str, str], server_time: datetime) -> str:
        secret = self._credentials.api_secret
        query = percent_encoded(
            {
                **parameters,
                "recvWindow": str(RECV_WINDOW_MS),
                "timestamp": str((server_time - _EPOCH) // _MILLISECOND),
            }
        )
        signature = signature_of(query, "" if secret is None else secret.get_secret_value())
        return f"{query}&signature={signature}"

    def _headers(self) -> dict[str, str]:
        if self._credentials.api_key is not None:
            return {"X-MBX-APIKEY": self._credentials.api_key.get_secret_value()}
        if self._credentials.bearer_token is not None:
            token = self._credentials.bearer_token.get_secret_value()
            return {"Authorization": f"Bearer {token}"}
        return {}

    def _mend(self) -> str:
        if self._credentials.api_key is None:
            return (
                "set TEST_JWT to a token that this server accepts, or EXCHANGE_API_KEY and"
                " EXCHANGE_API_SECRET for an exchange that wants signed requests"
            )
        return (
            "check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: the key must exist, may read, and"
            " allow this machine's address"
        )

    async def _signing_offset(self) -> timedelta | None:
        return None if self._credentials.api_key is None else await self._server_offset()

    async def _server_offset(self) -> timedelta:
        """Return how far the exchange's clock is ahead; ask for it where it is not known."""
        async with self._synchronising:
            if self._offset is None:
                self._offset = await self._guard.call(TIME_WEIGHT, self._measure_offset)
            return self._offset

    def _forget_offset(self, refused: timedelta | None) -> None:
        """Forget the offset that was refused, unless another request has already renewed it."""
        if self._offset is refused:
            self._offset = None

    async def _measure_offset(self) -> timedelta:
        sent_at = self._clock()
        fetched = await self._attempt("/api/v3/time", {}, _TIME, None)
        half_way = sent_at + (self._clock() - sent_at) / 2
        if isinstance(fetched.value, Fault):
            raise Unavailable(fetched.value.told)
        return _EPOCH + fetched.value.server_time * _MILLISECOND - half_way


def percent_encoded(parameters: Mapping[str, str]) -> str:
    """Write the query as it is signed and sent."""
    return urlencode(parameters, quote_via=quote, safe="")


def signature_of(query: str, secret: str) -> str:
    """Sign an encoded query: HMAC-SHA256 in hex."""
    return hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()


def request_symbol(symbol: str) -> str:
    """Return the symbol as Binance writes it: "btc/usdt" and "BTC-USDT" are "BTCUSDT"."""
    return symbol.replace("/", "").replace("-", "").upper()


def _by_request_name(wanted: Iterable[Wanted]) -> dict[Wanted, list[Wanted]]:
    spellings: dict[Wanted, list[Wanted]] = {}
    for order in dict.fromkeys(wanted):
        asked = replace(order, symbol=request_symbol(order.symbol))
        spellings.setdefault(asked, []).append(order)
    return spellings


def _as_spelled(found: Answers, spellings: Mapping[Wanted, Iterable[Wanted]]) -> Answers:
    """Give every answer back under the very names by which it was asked for."""
    return Answers(
        answers={
            order: replace(answer, symbol=order.symbol, external_order_id=order.external_order_id)
            for asked, answer in found.answers.items()
            for order in spellings[asked]
        },
        failures={
            order: failure
            for asked, failure in found.failures.items()
            for order in spellings[asked]
        },
    )


def _is_askable(order: Wanted) -> bool:
    """Whether the names fit a request: an endless one is refused by every server on the way."""
    return all(0 < len(name) <= LONGEST_NAME for name in (order.symbol, order.external_order_id))


def _read_list(
    route: OpenOrders | HistoryPage, asked: frozenset[Wanted], fetched: Fetched[list[_Row]]
) -> _Outcome:
    """Take from a list what it says of the orders asked for, and nothing else."""
    if isinstance(fetched.value, Fault):
        if fetched.value.meaning is not Meaning.SENSELESS or route.symbol is None:
            raise Unavailable(fetched.value.told)
        return _Outcome(
            route=route,
            answers={order: _conclude(order, fetched.value, fetched.fetched_at) for order in asked},
        )
    answers: dict[Wanted, Answer] = {}
    failures: dict[Wanted, Failure] = {}
    for row in fetched.value:
        order = Wanted(symbol=row.symbol, external_order_id=str(row.order_id))
        if order not in asked:
            continue
        try:
            answers[order] = _report_of(order, row, fetched.fetched_at)
        except Malformed as failure:
            failures[order] = failure
    page = _page(route, fetched.value) if isinstance(route, HistoryPage) else None
    return _Outcome(route=route, answers=answers, failures=failures, page=page)


def _page(route: HistoryPage, rows: Sequence[_Row]) -> routes.Page:
    ids = {
        row.order_id for row in rows if row.symbol == route.symbol and row.order_id >= route.from_id
    }
    return routes.Page(route=route, ids=tuple(sorted(ids)), is_last=len(rows) < COSTS.page_orders)


def _report_of(order: Wanted, row: _Row, fetched_at: datetime) -> Report:
    """Translate a row.

    Raises:
        Malformed: it is another order's, or a quantity is no number, negative or not finite.
    """
    if (row.symbol, str(row.order_id)) != (order.symbol, order.external_order_id):
        raise Malformed(
            f"asked for order {order.external_order_id} of {order.symbol}, the answer is about"
            f" order {row.order_id} of {row.symbol}"
        )
    try:
        executed_qty = Decimal(row.executed_qty)
        quote = None if row.cummulative_quote_qty is None else Decimal(row.cummulative_quote_qty)
        return Report(
            symbol=order.symbol,
            external_order_id=order.external_order_id,
            word=row.status,
            status=STATUSES.get(row.status),
            executed_qty=executed_qty,
            avg_price=average_price(quote, executed_qty),
            fetched_at=fetched_at,
        )
    except (ArithmeticError, ValueError):
        raise Malformed(
            f"order {row.order_id} of {row.symbol}: executedQty {row.executed_qty!r} and"
            f" cummulativeQuoteQty {row.cummulative_quote_qty!r} are no quantities"
        ) from None


def _conclude(order: Wanted, fault: Fault, fetched_at: datetime) -> Answer:
    """Return the answer that an error gives about `order` itself.

    Raises:
        Unavailable: it gives none.
    """
    match fault.meaning:
        case Meaning.ABSENT:
            return Absent(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                fetched_at=fetched_at,
            )
        case Meaning.ARCHIVED:
            # errors.md: canceled or expired over 90 days ago with nothing executed.
            return Report(
                symbol=order.symbol,
                external_order_id=order.external_order_id,
                word=ARCHIVED_WORD,
                status=Status.CANCELED,
                executed_qty=Decimal(0),
                avg_price=None,
                fetched_at=fetched_at,
            )
        case Meaning.SENSELESS:
            return _unanswerable(order, fault.told, fetched_at)
        case Meaning.TOO_MUCH | Meaning.CLOCK | Meaning.REFUSED | Meaning.PASSING:
            raise Unavailable(fault.told)
        case _:
            assert_never(fault.meaning)


def _unanswerable(order: Wanted, why: str, fetched_at: datetime) -> Unanswerable:
    return Unanswerable(
        symbol=order.symbol,
        external_order_id=order.external_order_id,
        detail=(
            f"the exchange cannot be asked for order {order.external_order_id[:LONGEST_NAME]!r} of"
            f" {order.symbol[:LONGEST_NAME]!r} ({why}): correct the row's symbol or"
            " external_order_id"
        ),
        fetched_at=fetched_at,
    )


def _read(
    path: str, response: httpx.Response, decoder: msgspec.json.Decoder[T], mend: str
) -> T | Fault:
    """Return what the exchange said, or the fault it found in the question.

    Raises:
        ExchangeError: of the class that the status or the code stands for.
    """
    status = response.status_code
    if status == httpx.codes.OK:
        return _decoded(path, response.content, decoder)
    error = _error(response.content)
    told = f"{path}: HTTP {status}, {_told(status, response.content, error)}"
    meaning = _meaning(status, error)
    match meaning:
        case Meaning.ABSENT | Meaning.ARCHIVED | Meaning.SENSELESS:
            return Fault(meaning=meaning, told=told)
        case Meaning.TOO_MUCH:
            raise RateLimited(told, retry_after_seconds=_retry_after(response))
        case Meaning.CLOCK:
            raise ClockSkew(told)
        case Meaning.REFUSED:
            raise Refused(told, mend=mend)
        case Meaning.PASSING:
            raise Unavailable(told)
        case _:
            assert_never(meaning)


def _meaning(status: int, error: _Error | None) -> Meaning:
    """Weigh the HTTP status before the code: no 5xx says anything about an order."""
    if status in CODES:
        return CODES[status]
    if error is None or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Meaning.PASSING
    return CODES.get(error.code, Meaning.PASSING)


def _decoded(path: str, body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"{path}: unreadable answer ({error}): {_excerpt(body)}") from None


def _error(body: bytes) -> _Error | None:
    try:
        return _ERROR.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _told(status: int, body: bytes, error: _Error | None) -> str:
    if error is not None:
        return f"code {error.code}: {_excerpt(error.msg.encode())}"
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return _excerpt(body)
    return f"{_excerpt(body)}: is EXCHANGE_BASE_URL the address of the exchange's API?"


def _excerpt(body: bytes) -> str:
    """Return the start of an answer, without any secret that it may repeat."""
    return redact(body[:1000].decode(errors="replace"))[:200] or "an empty answer"


def _retry_after(response: httpx.Response) -> float:
    """Read `Retry-After`, in seconds and however long; by the status where it gives no number."""
    told = response.headers.get("Retry-After", "")
    if told.isdecimal():
        return float(told)
    return float(SILENCE_SECONDS.get(response.status_code, OTHER_SILENCE_SECONDS))
