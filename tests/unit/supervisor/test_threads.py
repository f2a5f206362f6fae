import asyncio
import threading

import pytest

from reconciler.errors import StoreUnavailable
from reconciler.supervisor.threads import run_in_daemon_thread


async def test_the_future_has_what_the_call_returns() -> None:
    assert await run_in_daemon_thread(divmod, 7, 2) == (3, 1)


async def test_the_future_raises_what_the_call_raises() -> None:
    def fail() -> None:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable, match="gone"):
        await run_in_daemon_thread(fail)


async def test_an_abandoned_call_ends_without_a_trace() -> None:
    go_on, ended = threading.Event(), threading.Event()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    def fail_late() -> None:
        go_on.wait(300)
        ended.set()
        raise StoreUnavailable("too late")

    work = run_in_daemon_thread(fail_late)
    work.cancel()
    go_on.set()

    assert await asyncio.to_thread(ended.wait, 5)
    assert work.cancelled()
    assert complaints == []


async def test_a_call_that_hangs_does_not_delay_the_process_end() -> None:
    names: list[bool] = []

    await run_in_daemon_thread(lambda: names.append(threading.current_thread().daemon))

    assert names == [True]
