"""Worker processes that begin together. Their start-up is never part of a time.

    parent                      child
    ProcessGroup(...)     ->    worker_factory(config)    connect, import: not timed
    group.run(coordinate) ->    "go" -> worker.run(pipe)  timed, from "go" to the last finish
    group.close()         ->    worker.close()

They are forked, as the reconciler's own workers are, from a process that has imported the program:
starting Python for each worker of each contender would take longer than what is measured.

Times are of the monotonic clock, which all processes of a machine share.
"""

import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

from reconciler import safe_path
from reconciler.supervisor.worker_process import fork_server
from scripts.benchmark.figures import BenchFailed
from scripts.benchmark.size import Size

_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """One worker's number, the number of workers, and the database they work on."""

    number: int
    of: int
    url: str
    batch_size: int


def worker_configs(url: str, size: Size) -> list[WorkerConfig]:
    """Return the configuration of each worker."""
    return [
        WorkerConfig(number=number, of=size.workers, url=url, batch_size=size.batch_size)
        for number in range(size.workers)
    ]


class RoundWorker(Protocol):
    """One process's part of the work."""

    def run(self, pipe: Connection) -> float:
        """Do a round's part; return when it was finished, by `time.monotonic`."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


WorkerFactory = Callable[[WorkerConfig], RoundWorker]
"""Makes a worker in its process. Picklable."""


Coordinator = Callable[[Sequence[Connection]], None]
"""The parent's own part of the work, with the pipes to the workers."""


def no_coordinator(_pipes: Sequence[Connection]) -> None:
    """Do nothing: the workers need no coordination."""


class ProcessGroup:
    """Some processes with a worker each."""

    def __init__(self, worker_factory: WorkerFactory, configs: Sequence[WorkerConfig]) -> None:
        """Start them, and wait until each has opened what it needs."""
        context = fork_server()
        self._pipes: list[Connection] = []
        self._processes = []
        for config in configs:
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_main,
                args=(theirs, worker_factory, config),
                name=f"bench {config.number}",
            )
            with safe_path.for_new_processes():
                process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        try:
            for pipe in self._pipes:
                _receive(pipe)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, coordinate: Coordinator = no_coordinator) -> float:
        """Run one round; return the seconds until the last worker has finished.

        Raises:
            BenchFailed: a worker failed.
        """
        started = time.monotonic()
        for pipe in self._pipes:
            pipe.send("go")
        coordinate(self._pipes)
        finished: list[float] = [_receive(pipe) for pipe in self._pipes]
        return max(finished) - started

    def close(self) -> None:
        """End them."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(_PATIENCE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


@dataclass(frozen=True)
class _Failure:
    """A worker's last words; the rest is on standard error."""

    text: str


def _receive(pipe: Connection) -> Any:
    try:
        said = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise BenchFailed("a worker process ended before it was finished") from None
    if isinstance(said, _Failure):
        raise BenchFailed(f"a worker process failed: {said.text}")
    return said


def _main(pipe: Connection, worker_factory: WorkerFactory, config: WorkerConfig) -> None:
    """Run rounds until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with closing(worker_factory(config)) as worker:
            pipe.send("ready")
            while _wait_for_round(pipe):
                pipe.send(worker.run(pipe))
    except Exception as error:  # noqa: BLE001 - the top of a process: nothing above would report it
        with suppress(OSError):  # The parent has closed the pipe: it knows already.
            pipe.send(_Failure(f"{type(error).__name__}: {error}"))
            traceback.print_exc()


def _wait_for_round(pipe: Connection) -> bool:
    """Wait for the next round; return whether there is one."""
    try:
        pipe.recv()
    except EOFError:
        return False
    return True
