"""Kill workers with SIGKILL while they work."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import Random

from tests.chaos.schedule import Schedule

Kill = Callable[[int, int], None]


async def kill_workers(
    schedule: Schedule,
    pids: Callable[[], Mapping[int, int | None]],
    *,
    rng: Random,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    kill: Kill = os.kill,
) -> int:
    """Kill a random worker at each of the schedule's times; return the number of kills at its end.

    `pids` returns the workers' process ids by shard, with None while one is being replaced.
    """
    now, killed = 0.0, 0
    for at_seconds in schedule.kills_at_seconds:
        await sleep(at_seconds - now)
        now = at_seconds
        killed += _kill_one([pid for pid in pids().values() if pid is not None], rng, kill)
    await sleep(schedule.seconds - now)
    return killed


def _kill_one(pids: list[int], rng: Random, kill: Kill) -> int:
    if not pids:
        return 0
    with suppress(ProcessLookupError):
        kill(rng.choice(pids), signal.SIGKILL)
        return 1
    return 0
