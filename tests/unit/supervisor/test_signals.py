import asyncio
import signal
from types import FrameType

import pytest

from reconciler.supervisor.signals import SignalAction, handle_signals


@pytest.mark.parametrize(
    ("number", "action"),
    [
        (signal.SIGTERM, SignalAction.STOP),
        (signal.SIGINT, SignalAction.STOP),
        (signal.SIGQUIT, SignalAction.STOP_FAST),
    ],
)
async def test_a_signal_becomes_an_action_on_the_loop(
    number: signal.Signals, action: SignalAction
) -> None:
    actions: asyncio.Queue[SignalAction] = asyncio.Queue()

    with handle_signals(actions.put_nowait):
        signal.raise_signal(number)
        received = await asyncio.wait_for(actions.get(), 300)

    assert received is action


async def test_signals_have_their_former_handlers_afterwards() -> None:
    def earlier(_number: int, _frame: FrameType | None) -> None: ...

    original = signal.signal(signal.SIGTERM, earlier)
    try:
        with handle_signals(lambda _: None):
            assert signal.getsignal(signal.SIGTERM) is not earlier
        found = signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, original)

    assert found is earlier
