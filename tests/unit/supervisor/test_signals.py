import asyncio
import signal
from types import FrameType

import pytest

from reconciler.supervisor.signals import Demand, listening


@pytest.mark.parametrize(
    ("number", "demand"),
    [
        (signal.SIGTERM, Demand.STOP),
        (signal.SIGINT, Demand.STOP),
        (signal.SIGQUIT, Demand.STOP_FAST),
    ],
)
async def test_a_signal_becomes_a_demand_on_the_loop(
    number: signal.Signals, demand: Demand
) -> None:
    demands: asyncio.Queue[Demand] = asyncio.Queue()

    with listening(demands.put_nowait):
        signal.raise_signal(number)
        heard = await asyncio.wait_for(demands.get(), 5)

    assert heard is demand


async def test_afterwards_the_signals_mean_what_they_meant_before() -> None:
    def earlier(_number: int, _frame: FrameType | None) -> None: ...

    original = signal.signal(signal.SIGTERM, earlier)
    try:
        with listening(lambda _: None):
            assert signal.getsignal(signal.SIGTERM) is not earlier
        found = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, original)

    assert found is earlier
