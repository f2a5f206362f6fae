"""What `check` finds out about a key, at each venue: every kind of request is sent once."""

from reconciler.errors import Refused, RequestRejected
from reconciler.exchanges.base import Exchange, OrderRef, RequestTrial, TriesRequests
from tests.exchanges.contract.conftest import Venue


async def try_requests(exchange: Exchange) -> list[RequestTrial]:
    assert isinstance(exchange, TriesRequests)
    symbol = min(await exchange.fetch_symbols())
    absent = OrderRef(symbol=symbol, external_order_id=exchange.venue.absent_order_id)
    return list(await exchange.try_requests(absent))


async def test_key_with_all_rights_may_use_every_kind_of_request(opened: Venue) -> None:
    trials = await try_requests(opened.exchange)

    assert len({trial.what for trial in trials}) == len(trials) >= 2
    unusable = [
        (trial.what, trial.failure)
        for trial in trials
        if trial.failure is not None and not isinstance(trial.failure, RequestRejected)
    ]
    assert unusable == []


async def test_key_without_rights_is_refused_each(opened: Venue) -> None:
    refusal = next(case for case in opened.dialect.errors if case.becomes is Refused)
    opened.server.refuses_orders(refusal.reply)

    trials = await try_requests(opened.exchange)

    refused = [trial.what for trial in trials if isinstance(trial.failure, Refused)]
    assert refused == [trial.what for trial in trials]
