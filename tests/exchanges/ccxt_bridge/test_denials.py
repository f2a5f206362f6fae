"""A request that is denied, or not supported, for one market does not stop the account."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from pydantic import SecretStr

from reconciler.domain.report import Absent, Report
from reconciler.errors import Malformed, RateLimited, Refused, RequestRejected
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.request_policy import SingleAttempt
from reconciler.settings import Credentials
from tests.exchanges.contract.conftest import Venue
from tests.exchanges.contract.dialect import ABOUT_ORDERS, Reply, Request, RequestKind, a_reply
from tests.exchanges.contract.opening import open_dialect
from tests.exchanges.contract.server import serving
from tests.exchanges.contract.through_ccxt import CcxtBybit, CcxtKraken
from tests.exchanges.fakes import RecordingBudget

DENIED = a_reply({"retCode": 10029, "retMsg": "The requested symbol is not whitelisted"})
LIMITED = a_reply({"retCode": 10006, "retMsg": "Too many visits"})
BYBIT = CcxtBybit()
OTHER_SYMBOL = BYBIT.symbols[1]


@pytest.fixture
async def bybit() -> AsyncIterator[Venue]:
    budget, sender = RecordingBudget(), SingleAttempt(60.0)
    async with serving(BYBIT) as server:
        exchange = open_dialect(BYBIT, server.url, sender=sender, budget=budget)
        yield Venue(dialect=BYBIT, server=server, exchange=exchange, budget=budget, sender=sender)
        await exchange.close()


def replying(
    reply: Reply, is_denied: Callable[[Request], bool]
) -> Callable[[Request, RequestKind], Reply | None]:
    return lambda request, kind: reply if kind in ABOUT_ORDERS and is_denied(request) else None


def is_of_first_market(request: Request) -> bool:
    return request.parameters.get("symbol") == BYBIT.native_symbols[0]


async def test_market_that_is_denied_holds_its_own_orders_only(bybit: Venue) -> None:
    denied = [BYBIT.held(number) for number in (1, 2)]
    good = [replace(BYBIT.held(number), symbol=OTHER_SYMBOL) for number in (3, 4)]
    bybit.server.holds(*denied, *good)
    bybit.server.special = replying(DENIED, is_of_first_market)

    found = await bybit.fetch([*denied, *good])

    assert {type(answer) for answer in found.answers.values()} == {Report}
    assert len(found.answers) == len(good)
    assert {type(failure) for failure in found.failures.values()} == {RequestRejected}
    assert all("PermissionDenied" in str(failure) for failure in found.failures.values())


async def test_key_that_is_denied_every_market_is_refused_after_few_requests(bybit: Venue) -> None:
    orders = [replace(BYBIT.held(n), symbol=BYBIT.symbols[n % 3]) for n in range(1, 100)]
    bybit.server.refuses_orders(DENIED)

    found = await bybit.fetch(orders)

    assert {type(failure) for failure in found.failures.values()} == {Refused}
    assert len(bybit.server.about_orders()) <= 8


async def test_denial_that_cannot_be_proven_for_a_rate_limit_is_no_refusal(bybit: Venue) -> None:
    order = BYBIT.held(1)
    bybit.server.special = lambda request, kind: (
        None if kind not in ABOUT_ORDERS else DENIED if is_of_first_market(request) else LIMITED
    )

    found = await bybit.fetch([order])

    assert {type(failure) for failure in found.failures.values()} == {RateLimited}


async def test_list_that_is_denied_is_replaced_by_look_ups(bybit: Venue) -> None:
    orders = [BYBIT.held(number) for number in range(1, 31)]
    bybit.server.holds(*orders)
    bybit.server.special = replying(
        DENIED, lambda one: is_of_first_market(one) and "orderId" not in one.parameters
    )

    found = await bybit.fetch(orders)

    assert found.failures == {}
    assert {type(answer) for answer in found.answers.values()} == {Report}


async def test_first_look_up_of_a_process_may_say_that_an_order_does_not_exist() -> None:
    dialect = CcxtKraken()
    async with serving(dialect) as server:
        exchange = open_dialect(
            dialect, server.url, sender=SingleAttempt(60.0), budget=RecordingBudget()
        )
        ref = OrderRef(symbol=dialect.symbols[0], external_order_id=dialect.order_id(1))
        found = await exchange.fetch([ref])
        server.special = lambda _, kind: (
            a_reply({"error": [], "result": None}) if kind in ABOUT_ORDERS else None
        )
        without_result = await exchange.fetch([ref])
        await exchange.close()

    assert isinstance(found.answers[ref], Absent)
    assert isinstance(without_result.failures[ref], Malformed)


async def test_secret_with_which_ccxt_cannot_sign_is_refused_with_what_to_do() -> None:
    class WithoutBase64(CcxtKraken):
        credentials = Credentials(api_key=SecretStr("key"), api_secret=SecretStr("secre"))

    dialect = WithoutBase64()
    async with serving(dialect) as server:
        exchange = open_dialect(
            dialect, server.url, sender=SingleAttempt(60.0), budget=RecordingBudget()
        )
        with pytest.raises(Refused) as caught:
            await exchange.fetch_account()
        await exchange.close()

    assert "EXCHANGE_API_SECRET" in caught.value.hint
    assert server.about_orders() == []
