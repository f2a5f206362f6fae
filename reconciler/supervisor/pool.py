"""The worker processes: started, listened to, replaced when they die or hang, or parked.

    wanted shard     booting -> ready -> (draining -> stopping) -> gone -> booting ...
    death, hang      -> backing off -> booting                       see `restarts`
    too many deaths  -> parked -> booting, on trial
    unwanted shard   draining -> stopping -> gone

A worker drains when its shard is not wanted any more or gets a new worker: it is handed nothing
more, and is told to stop when it has let go of everything.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog

from reconciler.errors import Problem
from reconciler.resilience.breaker import BreakerSnapshot
from reconciler.supervisor.restarts import RestartLedger, RestartPolicy
from reconciler.supervisor.status import ShardState
from reconciler.supervisor.worker_process import Child, fork_server
from reconciler.worker.messages import (
    Beat,
    Done,
    FromChild,
    FromParent,
    Ready,
    Silence,
    Stop,
    Unfit,
    Used,
)
from reconciler.worker.process import EX_CONFIG
from reconciler.workload import Batch, Workload

WATCH_SECONDS = 1.0
BOOT_GRACE_SECONDS = 30.0
STACKS_SECONDS = 0.5
"""How long a worker gets to write down its stacks before it is killed."""

SPEECHLESS = Unfit(
    (
        Problem(
            what=f"a worker ended with code {EX_CONFIG}: it cannot work with this configuration",
            hint="read its last lines in the log above",
        ),
    )
)
"""What is heard of a worker that ended as unfit and could not say why."""

log = structlog.get_logger(__name__)


class Foreman(Protocol):
    """Who is told what the workers say and what becomes of them."""

    def admits(self, shard: int, ready: Ready) -> bool:
        """Whether a worker that is ready may be handed anything."""
        ...

    def on_message(self, shard: int, message: FromChild) -> None:
        """A worker said something; its state is already up to date."""
        ...

    def on_death(self, shard: int, at_work: Collection[int]) -> bool:
        """A worker died, or could not be started.

        Args:
            shard: Whose worker it was.
            at_work: The numbers of the batches that it was working at.

        Returns:
            Whether it is the worker's fault, and not a batch's: then its replacement may have to
            wait. Else it starts at once.
        """
        ...

    def on_end(self, shard: int) -> None:
        """A worker that was to end has ended."""
        ...

    def on_hang(self, shard: int) -> None:
        """A worker hangs, and is killed."""
        ...

    def on_parking(self) -> None:
        """A shard was parked, or is not any more."""
        ...

    def breaker_of(self, shard: int) -> BreakerSnapshot | None:
        """Return where the circuit breaker of the shard's last worker stands now."""
        ...


@dataclass(kw_only=True)
class Post:
    """A shard's place in the crew: its worker, or why there is none."""

    ledger: RestartLedger
    child: Child | None = None
    is_parked: bool = False
    since: float = field(default_factory=time.monotonic)
    timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> ShardState:
        """Where the shard is."""
        if self.child is None:
            return ShardState.PARKED if self.is_parked else ShardState.BACKING_OFF
        return self.child.state


class Crew:
    """One worker a shard. All methods are called on the event loop."""

    def __init__(
        self,
        workload: Workload,
        *,
        restarts: RestartPolicy,
        hang_after: timedelta,
        prepare_worker: Callable[[int], Callable[[], None]],
        foreman: Foreman,
    ) -> None:
        self._hang_after = hang_after
        self._context = fork_server()
        self._workload = workload
        self._restarts = restarts
        self._prepare_worker = prepare_worker
        self._foreman = foreman
        self._wanted = 0
        self._posts: dict[int, Post] = {}
        self._is_dismissed = False
        self._rng = random.Random()  # noqa: S311 - jitter, no secret

    @property
    def posts(self) -> dict[int, Post]:
        """The places of all shards, also of those that are not wanted any more but not yet gone."""
        return self._posts

    @property
    def children(self) -> list[Child]:
        """The workers that there are."""
        return [post.child for post in self._posts.values() if post.child is not None]

    @property
    def idle(self) -> list[int]:
        """The shards whose workers could look at another batch."""
        return [child.shard for child in self.children if child.is_idle]

    def is_at_rest(self, shard: int) -> bool:
        """Whether the shard's worker is at work at nothing, whatever it has looked at."""
        return not self._child(shard).at_work

    def bound_to(self, shard: int) -> frozenset[int]:
        """The cycles that the shard's worker may look at more of; empty: any."""
        return self._child(shard).bound_to

    @property
    def has_work(self) -> bool:
        """Whether a worker has anything to work at."""
        return any(child.at_work for child in self.children)

    @property
    def draining(self) -> list[int]:
        """The shards whose workers are to stop when they have let go of everything."""
        return [child.shard for child in self.children if child.state is ShardState.DRAINING]

    @property
    def parked(self) -> list[int]:
        """The shards that are out of service, of those that are wanted."""
        return [
            shard for shard, post in self._posts.items() if post.is_parked and shard < self._wanted
        ]

    @property
    def pids(self) -> dict[int, int | None]:
        """The process ids by shard."""
        return {child.shard: child.pid for child in self.children}

    def is_renewed(self, shard: int, before: int | None) -> bool:
        """Whether the shard has another worker than `before`, ready; or is parked, or gone."""
        post = self._posts.get(shard)
        if post is None or post.is_parked:
            return True
        child = post.child
        return child is not None and child.pid != before and child.state is ShardState.READY

    # How many.

    def resize(self, shards: int) -> None:
        """Have so many workers from now on."""
        self._wanted = shards
        for shard in range(shards):
            if shard not in self._posts:
                self._posts[shard] = Post(
                    ledger=RestartLedger(self._restarts, self._rng, time.monotonic)
                )
                self._start(shard)
        for shard in [shard for shard in self._posts if shard >= shards]:
            self.retire(shard)

    def renew(
        self,
        workload: Workload,
        *,
        restarts: RestartPolicy,
        hang_after: timedelta,
        prepare_worker: Callable[[int], Callable[[], None]],
    ) -> None:
        """Start workers like this from now on; those that are there stay as they are."""
        self._workload = workload
        self._restarts = restarts
        for post in self._posts.values():
            post.ledger.policy = restarts
        self._prepare_worker = prepare_worker
        self._hang_after = hang_after

    def retire(self, shard: int) -> None:
        """Let the shard's worker go; if the shard is still wanted, it gets a new one then."""
        post = self._posts[shard]
        if post.child is not None:
            if post.child.state in {ShardState.BOOTING, ShardState.READY}:
                post.child.state = ShardState.DRAINING
            return
        if post.timer is not None:
            post.timer.cancel()
        self._succeed(shard)

    def let_go(self, shard: int) -> None:
        """Tell a draining worker, which has nothing in hand, to end."""
        if (child := self._posts[shard].child) is not None:
            self._stop(child)

    # What they do.

    def hand(self, shard: int, batch: Batch) -> None:
        """Give an idle worker a batch to look at."""
        self._child(shard).examine(batch)

    def conclude(self, shard: int, batches: Sequence[int], *, may_write: bool) -> None:
        """Let a worker finish batches that it has looked at; it may just have died with them."""
        child = self._posts[shard].child
        if child is not None:
            child.conclude(batches, may_write=may_write)

    def send(self, shard: int, message: FromParent) -> None:
        """Say something to a shard's worker, if it has one."""
        post = self._posts.get(shard)
        if post is not None and post.child is not None:
            post.child.send(message)

    def dismiss(self) -> None:
        """Tell all workers to finish what they have in hand and end; replace nobody any more."""
        self._disband()
        for child in self.children:
            self._stop(child)

    def kill(self) -> int:
        """End all workers that are left, wait until they have ended, and return their number."""
        self._disband()
        left = self.children
        for child in left:
            log.warning("worker.killed", shard=child.shard, worker_pid=child.pid)
            child.kill()
        for child in left:
            self._lose(child)
        return len(left)

    def kill_one(self, pid: int) -> None:
        """End a worker that has had time enough; what it has in hand is done by others."""
        for child in self.children:
            if child.pid == pid:
                log.warning("worker.killed", shard=child.shard, worker_pid=pid)
                child.state = ShardState.STOPPING
                child.kill()

    def _disband(self) -> None:
        self._is_dismissed = True
        for post in self._posts.values():
            if post.timer is not None:
                post.timer.cancel()

    def _stop(self, child: Child) -> None:
        child.state = ShardState.STOPPING
        child.send(Stop())

    def _child(self, shard: int) -> Child:
        child = self._posts[shard].child
        assert child is not None  # noqa: S101 - only who is there is spoken to
        return child

    # Hangs.

    async def watch(self) -> None:
        """Kill every worker that hangs, with its stacks in the log; never ends by itself."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(WATCH_SECONDS)
            if loop.time() - began > 2 * WATCH_SECONDS:
                continue  # It is we who were held up: what they said meanwhile is still unread.
            for child in self.children:
                if child.quiet_seconds > self._patience_with(child):
                    self._put_down(child)

    def log_stacks(self) -> None:
        """Have all workers' stacks written to the log."""
        for child in self.children:
            child.ask_for_stacks()
            self._later(STACKS_SECONDS, self._log_stacks, child)

    def _patience_with(self, child: Child) -> float:
        if child.state is ShardState.BOOTING:
            return BOOT_GRACE_SECONDS
        return self._hang_after.total_seconds()

    def _put_down(self, child: Child) -> None:
        if child.is_condemned:
            return
        child.is_condemned = True
        child.ask_for_stacks()
        self._later(STACKS_SECONDS, self._kill_hung, child)

    def _kill_hung(self, child: Child) -> None:
        log.error(
            "worker.hung",
            shard=child.shard,
            worker_pid=child.pid,
            quiet_seconds=round(child.quiet_seconds, 1),
            stacks=child.read_stacks() or "it did not write any: it is stopped, or in the kernel",
        )
        self._foreman.on_hang(child.shard)
        child.kill()

    def _log_stacks(self, child: Child) -> None:
        log.warning(
            "worker.stacks", shard=child.shard, worker_pid=child.pid, stacks=child.read_stacks()
        )

    def _later(self, seconds: float, act: Callable[[Child], None], child: Child) -> None:
        """Act on a worker in a while, if it is still there."""

        def act_if_there() -> None:
            if child in self.children:
                act(child)

        asyncio.get_running_loop().call_later(seconds, act_if_there)

    # Life and death.

    def _start(self, shard: int) -> None:
        post = self._posts[shard]
        post.timer = None
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
            self._foreman.on_death(shard, ())
            self._replace(shard, is_workers_fault=True)
            return
        post.child = child
        post.since = time.monotonic()
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
        if isinstance(message, Ready) and child.state is ShardState.BOOTING:
            if not self._foreman.admits(child.shard, message):
                return
            child.state = ShardState.READY
            self._take_back_into_service(child.shard)
        if not isinstance(message, Beat):
            self._foreman.on_message(child.shard, message)

    def _take_back_into_service(self, shard: int) -> None:
        if self._posts[shard].is_parked:
            self._posts[shard].is_parked = False
            log.warning("shard.tried_again", shard=shard)
            self._foreman.on_parking()

    def _on_end(self, child: Child) -> None:
        """Hear a dead worker's last words before its work is taken back: it may have finished."""
        last_words = child.receive_rest()
        shard, pid, exit_code = child.shard, child.pid, child.process.exitcode
        self._lose(child)
        for message in last_words:
            if isinstance(message, Done | Unfit | Silence | Used):
                self._hear(child, message)
        if exit_code == EX_CONFIG:
            self._foreman.on_message(shard, SPEECHLESS)
        if child.state is ShardState.STOPPING:
            log.debug("worker.ended", shard=shard, worker_pid=pid, exit_code=exit_code)
            self._foreman.on_end(shard)
            self._succeed(shard)
            return
        log.warning("worker.died", shard=shard, worker_pid=pid, exit_code=exit_code)
        is_workers_fault = self._foreman.on_death(shard, child.at_work)
        self._replace(shard, is_workers_fault=is_workers_fault)

    def _succeed(self, shard: int) -> None:
        """Give a shard without a worker its next one, or up if it is not wanted any more."""
        if self._is_dismissed:
            return
        if shard < self._wanted:
            self._start(shard)
        else:
            del self._posts[shard]

    def _replace(self, shard: int, *, is_workers_fault: bool) -> None:
        if self._is_dismissed or shard >= self._wanted or not is_workers_fault:
            self._succeed(shard)
            return
        post = self._posts[shard]
        follows = post.ledger.enter_death()
        post.since = time.monotonic()
        seconds = follows.delay.total_seconds()
        post.timer = asyncio.get_running_loop().call_later(seconds, partial(self._start, shard))
        if follows.is_parked:
            log.critical(
                "shard.parked", shard=shard, deaths=post.ledger.recent, retry_seconds=round(seconds)
            )
            post.is_parked = True
            self._foreman.on_parking()

    def _lose(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(child.pipe_descriptor)
        loop.remove_reader(child.sentinel)
        self._posts[child.shard].child = None
        child.close()
