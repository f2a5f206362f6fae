"""A control server with prepared answers, as a supervisor has one with real answers."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from reconciler.control.address import ControlAddress
from reconciler.control.server import ControlServer
from reconciler.errors import ConfigurationError, Problem
from reconciler.supervisor.status import (
    BacklogStatus,
    BudgetStatus,
    CycleStatus,
    KeyStatus,
    LimitStatus,
    OrderLocation,
    Phase,
    ShardCounts,
    ShardState,
    ShardStatus,
    SupervisorStatus,
    Totals,
)
from reconciler.telemetry.shadow import Mode

FINISHED_AT = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


class FakeControlServer:
    """Answers `answers[command]` at `path`, and keeps what it was asked in `asked`."""

    def __init__(self, path: Path, **answers: object) -> None:
        self.path = path
        self.answers = answers
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self._loop = asyncio.new_event_loop()
        self._is_open, self._is_over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_open.wait(300)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        server = ControlServer(ControlAddress.at(self.path), self._respond)
        await server.open()
        self._is_open.set()
        await self._is_over.wait()
        await server.close()

    async def _respond(self, command: str, arguments: Mapping[str, Any]) -> object:
        self.asked.append((command, arguments))
        if command not in self.answers:
            raise ConfigurationError([Problem(what=f"no command {command}", hint="ask another")])
        return self.answers[command]


def a_shard(shard: int = 0, **changes: Any) -> ShardStatus:
    ready = ShardStatus(
        shard=shard,
        state=ShardState.READY,
        pid=4300 + shard,
        age_seconds=60,
        buckets=128,
        queued=0,
        in_flight=0,
        in_flight_seconds=None,
        done=1000,
        done_per_second=100.0,
        breaker="closed",
        breaker_retry_seconds=0,
        fault=None,
        fault_age_seconds=None,
        restarts=0,
        memory_bytes=61_000_000,
    )
    return replace(ready, **changes)


def a_cycle(**changes: Any) -> CycleStatus:
    cycle = CycleStatus(
        finished_at=FINISHED_AT,
        duration_ms=2140,
        scanned=400,
        reconciled=398,
        discrepancies=37,
        errors=1,
        held=1,
        skipped_locked=2,
        requests=12,
        weight=180,
    )
    return replace(cycle, **changes)


def a_limit(name: str = "weight", **changed: Any) -> LimitStatus:
    """Return the limit of a venue that counts weight a minute."""
    values = {
        "scope": "address",
        "published": 6000,
        "allowed": 3000,
        "used": 0,
        "window_seconds": 60,
        **changed,
    }
    return LimitStatus(name=name, **values)


def a_budget(*limits: LimitStatus, paused_seconds: float = 0) -> BudgetStatus:
    """Return the budget of these limits, of which the first is the tightest."""
    return BudgetStatus(
        limit_per_minute=limits[0].allowed,
        used=limits[0].used,
        paused_seconds=paused_seconds,
        tightest=limits[0].name,
        limits=limits,
    )


def a_status(*workers: ShardStatus, **changes: Any) -> SupervisorStatus:
    shown = workers or (a_shard(0), a_shard(1))
    status = SupervisorStatus(
        pid=4242,
        host="trading-1",
        version="0.1.0",
        started_at=FINISHED_AT - timedelta(hours=3),
        uptime_seconds=3 * 3600,
        phase=Phase.RUNNING,
        mode=Mode.LIVE,
        shadow=None,
        halted=None,
        shards=ShardCounts(desired=len(shown), running=len(shown), draining=0, parked=0),
        workers=shown,
        backlog=BacklogStatus(items=812, oldest_age_seconds=431, measured_seconds_ago=3),
        hottest=(KeyStatus(key="BTCUSDT", items=612), KeyStatus(key="ETHUSDT", items=200)),
        cycles=(a_cycle(), a_cycle(finished_at=FINISHED_AT - timedelta(minutes=1))),
        budget=a_budget(a_limit(used=240)),
        totals=Totals(
            cycles=240,
            scanned=96_000,
            reconciled=95_000,
            discrepancies=8100,
            errors=12,
            held=7,
            skipped_locked=30,
            requests=2900,
            weight=43_000,
            restarts=3,
            killed_hung=1,
            set_aside=1,
        ),
        memory_bytes=58_000_000,
    )
    return replace(status, **changes)


def some_location(**changes: Any) -> OrderLocation:
    where = OrderLocation(
        bucket=77,
        shard=1,
        is_queued=False,
        in_flight_in=None,
        in_flight_seconds=None,
        shard_state=ShardState.READY,
        breaker="closed",
        breaker_retry_seconds=0,
        backing_off_seconds=0,
        fault=None,
        paused_seconds=0,
        halted=None,
    )
    return replace(where, **changes)
