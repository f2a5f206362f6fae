"""The coordinator reserves nonces whatever other write the database takes its time for."""

import asyncio
import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from reconciler.supervisor.coordinator import Coordinator
from reconciler.supervisor.options import Options
from reconciler.supervisor.stop_state import StopState
from reconciler.supervisor.summary import Summary
from reconciler.telemetry.metrics import NoMetrics
from reconciler.worker.messages import NonceGrant, NonceRequest
from reconciler.workload import Planner
from tests.fakes import weight_limit


class SlowPlanner:
    """Takes for every other write as long as the test wants."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def write_halt(self, _: str | None) -> None:
        self.may_end.wait()

    def reserve_nonces(self, least: int, count: int) -> int:
        assert count > 0
        return least


async def test_slow_write_of_something_else_does_not_keep_a_request_from_its_nonce(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload = SimpleNamespace(limits=weight_limit(1000), usual_cost={}, modules=())
    coordinator = Coordinator(
        cast("Any", workload),
        Options(
            shards=1,
            batch_size=1,
            interval=timedelta(seconds=1),
            drain=timedelta(seconds=1),
            rate_share=1,
        ),
        Summary(),
        metrics=NoMetrics(),
        set_up_worker=cast("Any", None),
        stop_state=StopState(),
        listener=cast("Any", None),
    )
    planner = SlowPlanner()
    told: asyncio.Queue[object] = asyncio.Queue()
    monkeypatch.setattr(coordinator.pool, "send", lambda _, message: told.put_nowait(message))
    coordinator.writes.add(lambda planner: planner.write_halt("slow"))
    tasks = [
        asyncio.create_task(work(lambda: cast("Planner", planner)))
        for work in (coordinator.write_in_background, coordinator.reserve_nonces)
    ]

    coordinator.on_message(0, NonceRequest(7))
    granted = await told.get()

    assert isinstance(granted, NonceGrant)
    assert not planner.may_end.is_set()
    planner.may_end.set()
    for task in tasks:
        task.cancel()
