"""The bridge against the paper exchange in each dialect, through the stock classes of ccxt."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, Answer, OrderFault, Report
from reconciler.domain.status import Status
from reconciler.errors import ExchangeError, RateLimited, Refused, Unavailable
from reconciler.exchanges.base import Exchange, LookupResult, OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.dialects import NAMES, load_dialect
from reconciler.paper.exchange import PaperExchange
from reconciler.paper.faults import FaultRule
from reconciler.paper.listing import ListedOrder, listed_order
from reconciler.paper.new_keys import NewKey
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, UnlimitedBudget

T = TypeVar("T")

ORDERS = 120
NOT_FOUND_IS_NO_ERROR_OF_ITS_OWN = {"coinbase"}
"""Where ccxt 4.5.90 raises a plain `ExchangeError` for an order that does not exist."""


@dataclass
class Paper:
    """A paper exchange in a dialect, and the bridge to it."""

    dialect: str
    url: str
    server: PaperExchange
    key: NewKey
    sender: DirectSender = field(default_factory=DirectSender)

    @property
    def orders(self) -> dict[OrderRef, ListedOrder]:
        """Every order, by symbol and id as a platform's row has them."""
        spoken = load_dialect(self.dialect)
        listed = [listed_order(order, spoken) for order in self.server.orders]
        return {
            OrderRef(symbol=one.row_symbol, external_order_id=one.row_order_id): one
            for one in listed
        }

    def opened(self, other: NewKey | None = None) -> Exchange:
        key = other or self.key
        return open_exchange(
            venue(f"ccxt:{self.dialect}", self.url),
            credentials=Credentials(
                api_key=SecretStr(key.api_key),
                api_secret=SecretStr(key.api_secret),
                passphrase=None if key.passphrase is None else SecretStr(key.passphrase),
            ),
            sender=self.sender,
            budget=UnlimitedBudget(),
            clock=lambda: datetime.now(UTC),
        )

    async def fetch(self, *refs: OrderRef) -> LookupResult:
        exchange = self.opened()
        try:
            return await exchange.fetch(refs)
        finally:
            await exchange.close()


@contextmanager
def serving(dialect: str, rule: FaultRule | None = None, **seed: Any) -> Iterator[Paper]:
    key = load_dialect(dialect).new_key()
    options = SeedOptions(**{"orders": ORDERS, "symbols": 3, "hot_share": 0.5} | seed)
    server = new_exchange(
        dialect, access=key.access, has_limits=False, rule=rule, seed_options=options
    )
    with serve_in_thread(server) as url:
        yield Paper(dialect=dialect, url=url, server=server, key=key)


@pytest.mark.parametrize("dialect", NAMES)
async def test_every_order_is_reported_as_it_is(dialect: str) -> None:
    with serving(dialect) as paper:
        orders = paper.orders

        found = await paper.fetch(*orders)

    assert found.failures == {}
    assert {ref: _facts(answer) for ref, answer in found.answers.items()} == {
        ref: _true_facts(order) for ref, order in orders.items()
    }
    assert len(found.answers) == ORDERS
    assert len(paper.sender.costs) < ORDERS


def _facts(answer: Answer) -> tuple[Status | None, str, str | None]:
    assert isinstance(answer, Report)
    average = None if not answer.avg_price else f"{answer.avg_price:.4f}"
    is_partial = answer.status is Status.NEW and answer.executed_qty > 0  # `decide` says so, too.
    status = Status.PARTIAL if is_partial else answer.status
    return status, f"{answer.executed_qty:.8f}", average


def _true_facts(order: ListedOrder) -> tuple[Status | None, str, str | None]:
    truth = order.truth
    average = None if truth.avg_price is None else f"{float(truth.avg_price):.4f}"
    return truth.status, truth.executed_qty, average


@pytest.mark.parametrize("dialect", NAMES)
async def test_order_that_does_not_exist_is_absent_and_a_symbol_that_is_not_listed_a_fault(
    dialect: str,
) -> None:
    with serving(dialect) as paper:
        real, *_ = paper.orders
        gone = OrderRef(
            symbol=real.symbol, external_order_id=load_dialect(dialect).order_id(2**60 + 7)
        )
        unlisted = OrderRef(symbol="NOPENOPE", external_order_id=real.external_order_id)

        found = await paper.fetch(real, gone, unlisted)

    assert isinstance(found.answers[real], Report)
    if dialect in NOT_FOUND_IS_NO_ERROR_OF_ITS_OWN:
        assert isinstance(found.failures[gone], Unavailable)
    else:
        assert isinstance(found.answers[gone], Absent)
    assert isinstance(found.answers[unlisted], OrderFault)


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (FaultRule(error_rate=1.0), Unavailable),
        (FaultRule(disconnect_rate=1.0), Unavailable),
        (FaultRule(rate_limit_rate=1.0), (RateLimited, Unavailable)),
    ],
    ids=["server errors", "disconnects", "rate limits"],
)
async def test_exchange_that_cannot_answer_gives_no_answer(
    dialect: str, rule: FaultRule, expected: type[ExchangeError] | tuple[type[ExchangeError], ...]
) -> None:
    with serving(dialect, rule) as paper:
        orders = paper.orders

        found = await paper.fetch(*orders)

    assert found.answers == {}
    assert set(found.failures) == set(orders)
    assert [one for one in found.failures.values() if not isinstance(one, expected)] == []


@pytest.mark.parametrize("dialect", NAMES)
async def test_key_of_another_account_is_refused_with_what_to_do(dialect: str) -> None:
    with serving(dialect) as paper:
        other = load_dialect(dialect).new_key()
        exchange = paper.opened(other)

        with pytest.raises(Refused) as caught:
            await exchange.fetch_account()
        await exchange.close()

    assert "EXCHANGE_API_KEY" in caught.value.hint
    assert other.api_key not in str(caught.value)


@pytest.mark.parametrize("dialect", NAMES)
async def test_account_is_proven_but_not_named(dialect: str) -> None:
    with serving(dialect) as paper:
        exchange = paper.opened()

        account = await exchange.fetch_account()
        await exchange.close()

    assert account.identity is None
    assert abs(account.clock_offset.total_seconds()) < 60
