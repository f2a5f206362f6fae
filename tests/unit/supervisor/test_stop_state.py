import asyncio

from reconciler.supervisor.stop_state import StopState


async def test_a_wait_ends_when_its_condition_holds() -> None:
    stop_state = StopState()
    facts: list[str] = []
    waiting = asyncio.create_task(stop_state.wait_for(lambda: "done" in facts))
    await asyncio.sleep(0)

    stop_state.notify()
    await asyncio.sleep(0)
    assert not waiting.done()
    facts.append("done")
    stop_state.notify()

    await waiting


async def test_all_that_wait_are_woken_by_one_change() -> None:
    stop_state = StopState()
    waiting = [
        asyncio.create_task(stop_state.wait_unless_stopping(lambda: False)) for _ in range(3)
    ]
    await asyncio.sleep(0)

    stop_state.stop()

    await asyncio.gather(*waiting)


async def test_the_result_is_returned_if_it_comes_before_a_stop() -> None:
    work = asyncio.get_running_loop().create_future()
    work.set_result(7)

    assert await StopState().result_unless_stopping(work) == 7


async def test_a_stop_abandons_the_work_that_is_waited_for() -> None:
    stop_state = StopState()
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(stop_state.stop)

    assert await stop_state.result_unless_stopping(work) is None
    assert work.cancelled()


async def test_a_stop_ends_a_sleep_before_its_time() -> None:
    stop_state = StopState()
    sleeping = asyncio.create_task(stop_state.sleep(3600))
    await asyncio.sleep(0)

    stop_state.stop()

    await sleeping
