"""Opens each venue's adapter at a server that speaks its dialect."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import pytest

from reconciler.exchanges.base import Exchange, LookupResult, OrderRef
from reconciler.exchanges.request_policy import SingleAttempt
from tests.exchanges.contract import DIALECTS
from tests.exchanges.contract.dialect import Dialect, HeldOrder
from tests.exchanges.contract.opening import open_dialect
from tests.exchanges.contract.server import DialectServer, serving
from tests.exchanges.fakes import RecordingBudget

PATIENCE_SECONDS = 300.0


@dataclass
class Venue:
    """An adapter, and the server that it asks."""

    dialect: Dialect
    server: DialectServer
    exchange: Exchange
    budget: RecordingBudget
    sender: SingleAttempt
    asked: list[OrderRef] = field(default_factory=list)

    async def fetch(self, orders: Iterable[HeldOrder]) -> LookupResult:
        """Ask about the orders; check that each has an answer or a failure, and only one."""
        refs = [ref_of(order) for order in orders]
        found = await self.exchange.fetch(refs)
        assert found.answers.keys() | found.failures.keys() == set(refs)
        assert not found.answers.keys() & found.failures.keys()
        return found


def ref_of(order: HeldOrder) -> OrderRef:
    """Return the order as our row names it."""
    return OrderRef(symbol=order.symbol, external_order_id=order.order_id)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the scenarios that a dialect says cannot be asked of its adapter."""
    left_out = [item for item in items if _does_not_apply(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _does_not_apply(item: pytest.Item) -> bool:
    """Return True if the dialect leaves out the test, or this case of it: "test_name[case]"."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    dialect = item.callspec.params.get("dialect")
    if not isinstance(dialect, Dialect):
        return False
    case = item.callspec.id.removeprefix(dialect.name).lstrip("-: ")
    return bool({item.originalname, f"{item.originalname}[{case}]"} & dialect.does_not_apply.keys())


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Return each venue's dialect in turn."""
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
async def opened(dialect: Dialect) -> AsyncIterator[Venue]:
    """Open the adapter as a worker does."""
    budget, sender = RecordingBudget(), SingleAttempt(PATIENCE_SECONDS)
    async with serving(dialect) as server:
        exchange = open_dialect(dialect, server.url, sender=sender, budget=budget)
        yield Venue(dialect=dialect, server=server, exchange=exchange, budget=budget, sender=sender)
        await exchange.close()
