import asyncio

import pytest

from reconciler.errors import ClockSkew, NotSent
from reconciler.worker.messages import FromWorker, NonceRequest, TurnEnded
from reconciler.worker.nonces import NonceClient


@pytest.fixture
def sent() -> list[FromWorker]:
    return []


@pytest.fixture
def client(sent: list[FromWorker]) -> NonceClient:
    return NonceClient(sent.append)


async def test_turn_is_asked_for_and_ended(client: NonceClient, sent: list[FromWorker]) -> None:
    asyncio.get_running_loop().call_soon(client.grant, 0, 17)

    async with client.turn() as nonce:
        assert nonce == 17
        assert sent == [NonceRequest(0)]

    assert sent == [NonceRequest(0), TurnEnded(0)]


async def test_refused_nonce_is_reported(client: NonceClient, sent: list[FromWorker]) -> None:
    asyncio.get_running_loop().call_soon(client.grant, 0, 17)

    with pytest.raises(ClockSkew):
        async with client.turn():
            raise ClockSkew("EAPI:Invalid nonce")

    assert sent[-1] == TurnEnded(0, is_refused=True)


async def test_other_failures_end_the_turn_too(client: NonceClient, sent: list[FromWorker]) -> None:
    asyncio.get_running_loop().call_soon(client.grant, 0, 17)

    with pytest.raises(OSError, match="reset"):
        async with client.turn():
            raise OSError("reset")

    assert sent[-1] == TurnEnded(0)


async def test_denied_turn_raises_that_nothing_was_sent(
    client: NonceClient, sent: list[FromWorker]
) -> None:
    asyncio.get_running_loop().call_soon(client.deny, 0)

    with pytest.raises(NotSent):
        async with client.turn():
            pytest.fail("the block ran without a turn")

    assert sent == [NonceRequest(0), TurnEnded(0)]


async def test_cancelled_request_withdraws_and_a_late_turn_is_ignored(
    client: NonceClient, sent: list[FromWorker]
) -> None:
    async def wait() -> None:
        async with client.turn():
            pytest.fail("the block ran without a turn")

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    client.grant(0, 17)
    client.deny(0)

    assert sent == [NonceRequest(0), TurnEnded(0)]


async def test_several_requests_wait_each_for_its_own_turn(client: NonceClient) -> None:
    async def take() -> int:
        async with client.turn() as nonce:
            return nonce

    waiting = [asyncio.create_task(take()) for _ in range(3)]
    await asyncio.sleep(0)
    for number, nonce in ((2, 30), (0, 10), (1, 20)):
        client.grant(number, nonce)

    assert await asyncio.gather(*waiting) == [10, 20, 30]
