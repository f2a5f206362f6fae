"""An adapter whose address leads to another exchange: no answer, no hold, a text that says so."""

from datetime import UTC, datetime
from typing import TypeVar

import pytest
from pydantic import SecretStr

from reconciler.errors import ExchangeError, Unavailable
from reconciler.exchanges.base import OrderRef
from reconciler.exchanges.registry import open_exchange, venue
from reconciler.paper.dialects import NAMES, load_dialect
from reconciler.paper.market import market_for
from reconciler.paper.orders import SeedOptions
from reconciler.paper.server import new_exchange, serve_in_thread
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, UnlimitedBudget

T = TypeVar("T")


@pytest.mark.parametrize("other", NAMES)
@pytest.mark.parametrize("name", NAMES)
async def test_answer_of_another_exchange_is_no_answer_and_no_hold(name: str, other: str) -> None:
    if name == other:
        return  # Its own exchange: the tests of each adapter.
    spoken = load_dialect(name)
    key = spoken.new_key()
    symbol = spoken.symbol(market_for("BTCUSDT"))
    refs = [OrderRef(symbol=symbol, external_order_id=spoken.order_id(one)) for one in range(1, 4)]
    server = new_exchange(
        other, access=load_dialect(other).new_key().access, seed_options=SeedOptions(orders=9)
    )

    with serve_in_thread(server) as url:
        exchange = open_exchange(
            venue(name, url),
            credentials=Credentials(
                api_key=SecretStr(key.api_key),
                api_secret=SecretStr(key.api_secret),
                passphrase=None if key.passphrase is None else SecretStr(key.passphrase),
            ),
            sender=DirectSender(),
            budget=UnlimitedBudget(),
            clock=lambda: datetime.now(UTC),
        )
        found = await exchange.fetch(refs)
        with pytest.raises(ExchangeError) as caught:
            await exchange.fetch_account()
        await exchange.close()

    assert found.answers == {}
    assert {
        type(one) for one in found.failures.values() if not isinstance(one, Unavailable)
    } == set()
    assert "EXCHANGE_BASE_URL" in str(caught.value) or "unreadable" in str(caught.value)
