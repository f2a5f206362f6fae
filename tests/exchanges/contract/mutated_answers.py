"""Adapters under mutated answers, in process: no socket, but all that an adapter does with a body.

    the dialect's answer ─▶ Mutator ─▶ HttpClient.request (replaced) ─▶ ApiClient ─▶ adapter
                                    ─▶ aiohttp's session (replaced) ─▶ ccxt ─▶ bridge

Each trial holds a few orders with new ids, and asks for them. Whatever the answers were,

- every order has one answer or one named failure;
- no failure is a bug of ours, which `unexpected_as_malformed` would make of an exception;
- an order is reported as ended only if it has ended at the exchange, with the exchange's own word.
"""

import gc
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self
from unittest.mock import patch
from urllib.parse import urlsplit

import aiohttp
import httpx
import psutil  # type: ignore[import-untyped] # it ships no types
import structlog
import yarl

from reconciler.domain.report import Report
from reconciler.errors import BreakerOpen, ExchangeError, NotSent
from reconciler.exchanges.base import Exchange, LookupResult, OrderRef
from reconciler.exchanges.http_client import HttpClient, HttpRequest, HttpResponse
from reconciler.exchanges.request_policy import SingleAttempt
from tests.exchanges.contract.dialect import Dialect, HeldOrder, Reply, Request
from tests.exchanges.contract.mutations import Mutator
from tests.exchanges.contract.opening import open_dialect
from tests.exchanges.contract.server import DialectServer
from tests.exchanges.fakes import UnlimitedBudget

MIB = 2**20
SHARE = 0.85
"""Of the answers that are mutated: with some right ones, a search goes on and asks for more."""

MOST_ORDERS = 6
MOST_COMPLAINTS = 20
GREATEST_NUMBER = 2**31
"""Orders have random numbers up to this, so that no changed digit makes another order's id."""

BUG = "the answer could not be handled"
WARM_UP = 0.2
"""The share of the answers after which memory is measured for the first time."""


@dataclass(kw_only=True)
class MutationResult:
    """What came of it.

    Attributes:
        answers: The mutated answers that an adapter got, by venue.
        outcomes: What they became: the classes of answers and failures.
        complaints: What must never happen.
        first_mib, last_mib: The memory of the process after the first fifth, and at the end.
    """

    answers: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    first_mib: float = 0.0
    last_mib: float = 0.0

    @property
    def growth_mib(self) -> float:
        """The memory that the process took after the first measurement."""
        return self.last_mib - self.first_mib


class MutatedVenue:
    """One adapter, and a server in this process whose answers are mutated."""

    def __init__(self, dialect: Dialect, rng: Random) -> None:
        self.dialect = dialect
        self.server = DialectServer(dialect)
        self.answers = 0
        self._rng = rng
        self._mutator = Mutator(rng=rng, words=[case.word for case in dialect.statuses])
        self._earlier = Reply(body=b"{}")
        self.exchange: Exchange = open_dialect(
            dialect,
            f"http://{dialect.name.replace(':', '-')}.invalid",
            sender=SingleAttempt(600.0),
            budget=UnlimitedBudget(),
        )

    def reply_to(self, request: HttpRequest) -> Reply:
        """Answer a request, mostly with a mutated answer."""
        address = urlsplit(request.url)
        headers = {name.lower(): text for name, text in request.headers.items()}
        reply = self.server.answer(
            Request(
                method=request.method,
                path=address.path,
                query=address.query,
                headers=headers,
                body=request.body,
            )
        )
        self.server.requests.clear()
        if self._rng.random() > SHARE:
            return reply
        self.answers += 1
        earlier, self._earlier = self._earlier, reply
        if self._rng.random() < 0.02:
            return earlier
        return self._mutator.mutate(reply)

    async def try_orders(self, result: MutationResult) -> None:
        """Ask for a few new orders, and check what became of each."""
        rng, dialect = self._rng, self.dialect
        words = [case.word for case in dialect.statuses]
        numbers = rng.sample(range(1, GREATEST_NUMBER), rng.randint(1, MOST_ORDERS))
        orders = [dialect.held(number, rng.choice(words)) for number in sorted(numbers)]
        self.server.orders = orders
        try:
            found = await self.exchange.fetch([_ref(order) for order in orders])
        except Exception as error:  # noqa: BLE001 - that is what it must never do
            result.complaints.append(f"{dialect.name}: fetch raised {error!r}")
            return
        result.complaints += (f"{dialect.name}: {one}" for one in wrong_outcomes(found, self))
        for outcome in (*found.answers.values(), *found.failures.values()):
            result.outcomes[type(outcome).__name__] += 1

    async def try_others(self, result: MutationResult) -> None:
        """Ask for the account, the symbols and the time."""
        asks = (
            self.exchange.fetch_account,
            self.exchange.fetch_symbols,
            self.exchange.fetch_clock_offset,
        )
        ask: Callable[[], object] = self._rng.choice(asks)
        try:
            await ask()  # type: ignore[misc] # each is a coroutine function
        except (ExchangeError, BreakerOpen, NotSent) as error:
            result.outcomes[type(error).__name__] += 1
            if BUG in str(error):
                result.complaints.append(f"{self.dialect.name}: {error}")
        except Exception as error:  # noqa: BLE001 - that is what it must never do
            result.complaints.append(f"{self.dialect.name}: raised {error!r}")


def wrong_outcomes(found: LookupResult, mutated: MutatedVenue) -> Iterator[str]:
    """Describe what must not have come out of a fetch."""
    by_ref = {_ref(order): order for order in mutated.server.orders}
    if found.answers.keys() | found.failures.keys() != by_ref.keys():
        yield "not every order has an answer or a failure"
    if found.answers.keys() & found.failures.keys():
        yield "an order has an answer and a failure"
    failures: dict[OrderRef, object] = dict(found.failures.items())
    for ref, failure in failures.items():
        if not isinstance(failure, ExchangeError | BreakerOpen | NotSent):
            yield f"{ref}: the failure is {failure!r}"
        if BUG in str(failure):
            yield str(failure)
    for ref, answer in found.answers.items():
        if isinstance(answer, Report) and answer.status is not None and answer.status.is_terminal:
            yield from _wrong_end(answer, by_ref[ref], mutated.dialect)


def _wrong_end(report: Report, order: HeldOrder, dialect: Dialect) -> Iterator[str]:
    true_status = dialect.case_of(order.word).status
    is_ended = true_status is not None and true_status.is_terminal
    if not is_ended or report.word != order.word:
        yield f"{order.order_id}: {report.word} is reported as ended, it is {order.word}"


async def run_mutated_answers(
    dialects: list[Dialect],
    *,
    answers: int,
    seconds: float = math.inf,
    seed: int = 1,
    progress: Callable[[MutationResult], None] = lambda _: None,
) -> MutationResult:
    """Give the adapters of `dialects` this many mutated answers in all, taking turns.

    After `seconds` it ends with fewer.
    """
    result = MutationResult()
    process = psutil.Process()
    with _quiet():
        venues = [
            MutatedVenue(dialect, Random(f"{seed} {dialect.name}"))  # noqa: S311 - repeatable
            for dialect in dialects
        ]
        step, done = 2_000, 0
        deadline = time.monotonic() + seconds
        while (
            done < answers
            and len(result.complaints) < MOST_COMPLAINTS
            and time.monotonic() < deadline
        ):
            for one in venues:
                await _run_some(one, result, min(step, answers // len(venues) + 1))
            done = result.answers.total()
            gc.collect()
            result.last_mib = process.memory_info().rss / MIB
            if done <= answers * WARM_UP or not result.first_mib:
                result.first_mib = result.last_mib
            progress(result)
        for one in venues:
            await one.exchange.close()
    return result


async def _run_some(mutated: MutatedVenue, result: MutationResult, answers: int) -> None:
    """Run trials until the adapter got `answers` more mutated answers."""
    before = mutated.answers

    @asynccontextmanager
    async def request(
        _: HttpClient, sent: HttpRequest, *, max_bytes: int = 0
    ) -> AsyncIterator[HttpResponse]:
        del max_bytes
        reply = mutated.reply_to(sent)
        yield HttpResponse(
            status=reply.status, headers=httpx.Headers(dict(reply.headers)), body=reply.body
        )

    async def request_of_ccxt(
        _: aiohttp.ClientSession, method: str, address: yarl.URL, **sent: Any
    ) -> _AnswerToCcxt:
        reply = mutated.reply_to(
            HttpRequest(
                method=method.upper(),
                url=str(address),
                headers=sent["headers"],
                body=sent["data"] or b"",
            )
        )
        return _AnswerToCcxt(reply)

    with (
        patch.object(HttpClient, "request", request),
        patch.object(aiohttp.ClientSession, "_request", request_of_ccxt),
    ):
        while mutated.answers - before < answers and len(result.complaints) < MOST_COMPLAINTS:
            await mutated.try_orders(result)
            if mutated.answers % 16 == 0:
                await mutated.try_others(result)
    result.answers[mutated.dialect.name] += mutated.answers - before


class _AnswerToCcxt:
    """What ccxt reads of an answer of aiohttp."""

    def __init__(self, reply: Reply) -> None:
        self.status = reply.status
        self.reason = "Made Up"
        self.headers = reply.headers
        self._body = reply.body

    async def text(self, errors: str) -> str:
        return self._body.decode(errors=errors)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@contextmanager
def _quiet() -> Iterator[None]:
    """Write no log: a mutated answer causes a line, and there are many."""
    before = structlog.get_config()
    structlog.configure(
        processors=[_drop], wrapper_class=before["wrapper_class"], cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


def _ref(order: HeldOrder) -> OrderRef:
    return OrderRef(symbol=order.symbol, external_order_id=order.order_id)
