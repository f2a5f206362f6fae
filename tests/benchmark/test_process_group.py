import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import pytest

from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.process_group import ProcessGroup, WorkerConfig

PLACES = [WorkerConfig(number=number, of=2, url="", batch_size=1) for number in range(2)]


class Obliging:
    def __init__(self, config: WorkerConfig) -> None:
        self.config = config

    def run(self, pipe: Connection) -> float:
        pipe.send((self.config.number, os.getpid()))
        pipe.recv()
        return time.monotonic()

    def close(self) -> None:
        pass


class Failing(Obliging):
    def run(self, _pipe: Connection) -> float:
        raise ValueError("no such order")


class Dying(Obliging):
    def run(self, _pipe: Connection) -> float:
        os._exit(3)


def test_workers_are_processes_that_go_on_from_round_to_round() -> None:
    met: list[list[tuple[int, int]]] = []

    def lead(pipes: Sequence[Connection]) -> None:
        met.append([pipe.recv() for pipe in pipes])
        for pipe in pipes:
            pipe.send("end")

    with ProcessGroup(Obliging, PLACES) as team:
        seconds = [team.run(lead), team.run(lead)]

    assert min(seconds) > 0
    assert met[0] == met[1]
    assert [number for number, _ in met[0]] == [0, 1]
    assert len({os.getpid(), *(pid for _, pid in met[0])}) == len(PLACES) + 1


def test_a_worker_that_fails_fails_the_measurement_and_says_why() -> None:
    with ProcessGroup(Failing, PLACES) as team, pytest.raises(BenchFailed, match="no such order"):
        team.run()


def test_a_worker_that_dies_fails_the_measurement() -> None:
    with ProcessGroup(Dying, PLACES) as team, pytest.raises(BenchFailed, match="ended before"):
        team.run()
