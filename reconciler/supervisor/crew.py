"""The worker processes: started, listened to, and replaced when they die."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from reconciler.errors import Problem
from reconciler.resilience.breaker import BreakerSnapshot
from reconciler.supervisor.child import Child, ChildState, fork_server
from reconciler.supervisor.restarts import RestartPolicy, restart_delay
from reconciler.worker.loop import EX_CONFIG
from reconciler.worker.messages import (
    Beat,
    Conclude,
    Done,
    Examined,
    FromChild,
    FromParent,
    Hand,
    Ready,
    Silence,
    Stop,
    Unfit,
    Used,
)
from reconciler.worker.workload import Batch, Workload

SPEECHLESS = Unfit(
    (
        Problem(
            what=f"a worker ended with code {EX_CONFIG}: it cannot work with this configuration",
            mend="read its last lines in the log above",
        ),
    )
)
"""What is heard of a worker that ended as unfit and could not say why."""

log = structlog.get_logger(__name__)


class Foreman(Protocol):
    """Who is told what the workers say and when one dies."""

    def on_message(self, shard: int, message: FromChild) -> None:
        """A worker said something; its state is already up to date."""
        ...

    def on_death(self, shard: int, at_work: int | None) -> bool:
        """A worker died, or could not be started. It will be replaced, unless it was dismissed.

        Args:
            shard: Whose worker it was.
            at_work: The number of the batch that it was working at; None: at none.

        Returns:
            Whether its death is held against that batch, and not against the worker: then its
            replacement starts at once.
        """
        ...

    def breaker_of(self, shard: int) -> BreakerSnapshot | None:
        """Return where the circuit breaker of the shard's last worker stands now."""
        ...


class Crew:
    """One worker a shard. All methods are called on the event loop."""

    def __init__(
        self,
        workload: Workload,
        *,
        shards: int,
        restarts: RestartPolicy,
        prepare_worker: Callable[[int], Callable[[], None]],
        foreman: Foreman,
    ) -> None:
        self._context = fork_server()
        self._workload = workload
        self._shards = shards
        self._restarts = restarts
        self._prepare_worker = prepare_worker
        self._foreman = foreman
        self._children: dict[int, Child] = {}
        self._started_at: dict[int, float] = {}
        self._early_deaths: Counter[int] = Counter()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._is_dismissed = False
        self._rng = random.Random()  # noqa: S311 - jitter, no secret

    @property
    def running(self) -> int:
        """How many processes there are."""
        return len(self._children)

    @property
    def idle(self) -> list[int]:
        """The shards whose workers wait for work."""
        return [shard for shard, child in self._children.items() if child.is_idle]

    @property
    def has_work(self) -> bool:
        """Whether a worker has anything to work at."""
        return any(child.at_work for child in self._children.values())

    @property
    def pids(self) -> dict[int, int | None]:
        """The process ids by shard."""
        return {shard: child.pid for shard, child in self._children.items()}

    def start(self) -> None:
        """Start all workers."""
        for shard in range(self._shards):
            self._start(shard)

    def hand(self, shard: int, batch: Batch) -> None:
        """Give an idle worker a batch to look at."""
        child = self._children[shard]
        child.at_work.append(batch.number)
        child.send(Hand(batch))

    def conclude(self, shard: int, batches: Sequence[int], *, may_write: bool) -> None:
        """Let a worker finish batches that it has looked at."""
        child = self._children[shard]
        child.at_work.extend(batches)
        child.send(Conclude(tuple(batches), may_write))

    def send(self, shard: int, message: FromParent) -> None:
        """Say something to a shard's worker, if it has one."""
        if (child := self._children.get(shard)) is not None:
            child.send(message)

    def dismiss(self) -> None:
        """Tell all workers to finish what they have in hand and end; replace nobody any more."""
        self._is_dismissed = True
        for timer in self._timers.values():
            timer.cancel()
        for child in self._children.values():
            child.state = ChildState.STOPPING
            child.send(Stop())

    def kill(self) -> None:
        """End all workers that are left, and wait until they have ended."""
        self._is_dismissed = True
        left = list(self._children.values())
        for child in left:
            log.warning("worker.killed", shard=child.shard, worker_pid=child.pid)
            child.kill()
        for child in left:
            self._let_go(child)

    def _start(self, shard: int) -> None:
        self._timers.pop(shard, None)
        self._started_at[shard] = time.monotonic()
        try:
            child = Child(
                self._context,
                self._workload,
                shard=shard,
                breaker=self._foreman.breaker_of(shard),
                prepare=self._prepare_worker(shard),
            )
        except (OSError, EOFError) as error:
            # No memory, process or descriptor is to be had, or the fork server died of that.
            log.warning("worker.not_started", shard=shard, reason=str(error))
            self._foreman.on_death(shard, None)
            self._replace(shard, at_once=False)
            return
        self._children[shard] = child
        loop = asyncio.get_running_loop()
        loop.add_reader(child.pipe_descriptor, self._on_readable, child)
        loop.add_reader(child.sentinel, self._on_end, child)
        log.debug("worker.started", shard=shard, worker_pid=child.pid)

    def _on_readable(self, child: Child) -> None:
        message = child.receive()
        if message is None:
            asyncio.get_running_loop().remove_reader(child.pipe_descriptor)
        else:
            self._hear(child, message)

    def _hear(self, child: Child, message: FromChild) -> None:
        if isinstance(message, Ready) and child.state is ChildState.BOOTING:
            child.state = ChildState.READY
        if isinstance(message, Examined | Done):
            child.at_work.remove(message.batch)
        if not isinstance(message, Beat):
            self._foreman.on_message(child.shard, message)

    def _on_end(self, child: Child) -> None:
        """Hear a dead worker's last words before its work is taken back: it may have finished."""
        last_words = child.receive_rest()
        pid, exit_code = child.pid, child.process.exitcode
        self._let_go(child)
        for message in last_words:
            if isinstance(message, Done | Unfit | Silence | Used):
                self._hear(child, message)
        if exit_code == EX_CONFIG:
            self._foreman.on_message(child.shard, SPEECHLESS)
        if self._is_dismissed:
            log.debug("worker.ended", shard=child.shard, worker_pid=pid, exit_code=exit_code)
        else:
            log.warning("worker.died", shard=child.shard, worker_pid=pid, exit_code=exit_code)
        at_once = self._foreman.on_death(child.shard, next(iter(child.at_work), None))
        self._replace(child.shard, at_once=at_once)

    def _replace(self, shard: int, *, at_once: bool) -> None:
        if self._is_dismissed:
            return
        if at_once:
            self._start(shard)
            return
        age = time.monotonic() - self._started_at[shard]
        if age >= self._restarts.forgiven_after.total_seconds():
            self._early_deaths[shard] = 0
        self._early_deaths[shard] += 1
        delay = restart_delay(self._early_deaths[shard], self._restarts, self._rng)
        self._timers[shard] = asyncio.get_running_loop().call_later(
            delay.total_seconds(), self._start, shard
        )

    def _let_go(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(child.pipe_descriptor)
        loop.remove_reader(child.sentinel)
        del self._children[child.shard]
        child.close()
