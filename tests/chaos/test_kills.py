import signal
from collections.abc import Iterator, Mapping
from random import Random

from tests.chaos.kills import kill_workers
from tests.chaos.schedule import Schedule


class FakeProcesses:
    """Records waits and kills; the worker 13 has already ended."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.kills: list[tuple[float, int, int]] = []

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def kill(self, pid: int, number: int) -> None:
        if pid == 13:
            raise ProcessLookupError
        self.kills.append((self.seconds, pid, number))


RNG = Random(1)  # noqa: S311 - to be the same each time
A_SCHEDULE = Schedule(seconds=10, steps=(), kills_at_seconds=(2, 5))


async def test_workers_are_killed_at_their_times_until_the_end() -> None:
    processes = FakeProcesses()

    killed = await kill_workers(
        A_SCHEDULE, lambda: {0: 11, 1: None}, rng=RNG, sleep=processes.sleep, kill=processes.kill
    )

    assert killed == 2
    assert processes.kills == [(2, 11, signal.SIGKILL), (5, 11, signal.SIGKILL)]
    assert processes.seconds == 10


async def test_a_worker_that_has_already_ended_is_not_counted() -> None:
    processes = FakeProcesses()
    pids: Iterator[Mapping[int, int | None]] = iter([{0: 13}, {0: None}])

    killed = await kill_workers(
        A_SCHEDULE, lambda: next(pids), rng=RNG, sleep=processes.sleep, kill=processes.kill
    )

    assert killed == 0
