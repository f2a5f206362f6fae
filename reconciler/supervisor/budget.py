"""The host's rate budget, kept by the supervisor; the workers ask for costs over their pipes.

Waiting workers are served in turn, so that none starves however much another requests; what one
does not use goes to the others. A request overtakes an earlier one only if it takes nothing from
the limits for which that one waits. When a worker dies or is replaced, what it spent stays spent,
and its waiting requests leave the queue.

After a rate-limit pause one request goes first, the *probe*, and the others follow when it is
answered: one of each worker at once would cause the next pause. A stopping worker never waits: a
request that cannot be granted immediately is denied. Once the budget is closed, every request is.
"""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog

from reconciler.errors import ReconcilerError
from reconciler.resilience.limits import Cost, LimitReading
from reconciler.resilience.rate_limits import RateLimits
from reconciler.workload import Planner, RememberedPause

PROBE_TIMEOUT_SECONDS = 15.0
"""Seconds after which an unanswered probe counts as lost. A probe itself takes at most 10 s."""

LONG_PAUSE_SECONDS = 60.0
"""A longer pause is reported as an outage: no published window is longer than a minute."""

PAUSE_TOLERANCE_SECONDS = 1.0
"""A pause is stored again only if it grows by more than this: each worker reports the same one."""

log = structlog.get_logger(__name__)


class BudgetReply(StrEnum):
    """The reply to a request for permission to send."""

    GRANTED = "granted"
    GRANTED_AS_PROBE = "granted_as_probe"
    DENIED = "denied"


OnReply = Callable[[BudgetReply], None]


class SharedBudget:
    """Grants costs to its owners in turn, as the limits allow."""

    def __init__(self, limits: RateLimits) -> None:
        self._limits = limits
        self._waiting: OrderedDict[Hashable, deque[tuple[Cost, OnReply]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._probe_owner: Hashable | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._shutting_down: set[Hashable] = set()
        self._is_closed = False

    @property
    def paused_seconds(self) -> float:
        """The seconds that the rate-limit pause still lasts."""
        return self._limits.paused_seconds

    def is_waiting(self, owner: Hashable) -> bool:
        """Return True if the owner has a request that is neither granted nor denied."""
        return bool(self._waiting.get(owner))

    def request(self, owner: Hashable, cost: Cost, reply: OnReply) -> None:
        """Reply when it is the owner's turn and `cost` may be spent, or when it is denied."""
        if self._is_closed:
            reply(BudgetReply.DENIED)
            return
        self._waiting.setdefault(owner, deque()).append((cost, reply))
        self._serve()
        if owner in self._shutting_down:
            self._deny(owner)

    def withdraw(self, owner: Hashable) -> None:
        """Remove the requests of an `owner` that has ended."""
        self._waiting.pop(owner, None)
        self._shutting_down.discard(owner)
        if self._probe_owner == owner:
            self._forget_probe()
        self._serve()

    def stop_waiting(self, owner: Hashable) -> None:
        """Deny each request of an `owner` that shuts down unless it can be granted immediately."""
        self._shutting_down.add(owner)
        self._deny(owner)
        self._serve()

    def close(self) -> None:
        """Deny every request from now on, because all workers shut down."""
        self._is_closed = True
        for owner in list(self._waiting):
            self._deny(owner)

    def pause(self, seconds: float) -> None:
        """Grant nothing for `seconds`, then one request as a probe."""
        self._limits.pause(seconds)

    def require_probe(self) -> None:
        """Grant one request as a probe before all others, as after a pause."""
        self._limits.require_probe()

    def end_probe(self, owner: Hashable, *, is_alive: bool) -> None:
        """Record the end of the owner's probe, if it has one; serve the others.

        `is_alive` is True if the exchange answered it. If not, the next request is a probe again.
        """
        if self._probe_owner != owner:
            return
        self._forget_probe()
        if is_alive and not self._limits.paused_seconds:
            self._limits.clear_probe()
        self._serve()

    def observe(self, reading: LimitReading) -> None:
        """Record what an answer says about one limit, by the exchange's own count."""
        self._limits.observe(reading)

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._probe_owner is None:
            found = self._next_grant()
            if isinstance(found, float):
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(found, self._serve)
                return
            owner, reply = found
            if self._limits.needs_probe:
                self._begin_probe(owner)
                reply(BudgetReply.GRANTED_AS_PROBE)
            else:
                reply(BudgetReply.GRANTED)

    def _next_grant(self) -> tuple[Hashable, OnReply] | float:
        """Spend for the first request that may be granted; return the seconds to wait if none may.

        Requests are tried in turn. One that would take from a limit for which an earlier one waits
        is passed over, or light requests would keep a heavy one waiting for ever.
        """
        short: set[str] = set()
        least_wait = math.inf
        for owner, requests in self._waiting.items():
            for index, (cost, reply) in enumerate(requests):
                if not short.isdisjoint(cost):
                    continue
                wait_seconds = self._limits.reserve(cost)
                if wait_seconds == 0:
                    del requests[index]
                    self._end_turn(owner)
                    return owner, reply
                least_wait = min(least_wait, wait_seconds)
                short |= self._limits.short(cost)
                if self._limits.is_paused:
                    return least_wait
        return least_wait

    def _end_turn(self, owner: Hashable) -> None:
        """Let the others come first."""
        self._waiting.move_to_end(owner)
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _begin_probe(self, owner: Hashable) -> None:
        loop = asyncio.get_running_loop()
        self._probe_owner = owner
        self._probe_timer = loop.call_later(PROBE_TIMEOUT_SECONDS, self._give_up_probe)

    def _give_up_probe(self) -> None:
        self._forget_probe()
        self._serve()

    def _forget_probe(self) -> None:
        self._probe_owner = None
        if self._probe_timer is not None:
            self._probe_timer.cancel()
            self._probe_timer = None

    def _deny(self, owner: Hashable) -> None:
        for _, reply in self._waiting.pop(owner, ()):
            reply(BudgetReply.DENIED)


class RateLimitPauses:
    """Begins the rate-limit pauses that the exchange asks for, and stores them for a restart."""

    def __init__(
        self,
        budget: SharedBudget,
        *,
        write_in_background: Callable[[Callable[[Planner], None]], None],
        on_long_pause: Callable[[str, float], None],
    ) -> None:
        """Prepare.

        Args:
            budget: Grants nothing during a pause.
            write_in_background: Runs a database write in the background.
            on_long_pause: Called with the reason and the seconds of a pause that is longer than a
                minute.
        """
        self._budget = budget
        self._write_in_background = write_in_background
        self._on_long_pause = on_long_pause

    def begin(self, seconds: float) -> None:
        """Send no request for `seconds`, as the exchange asked a worker."""
        log.warning("supervisor.rate_limited", pause_seconds=seconds)
        extends_pause = seconds > self._budget.paused_seconds + PAUSE_TOLERANCE_SECONDS
        self._budget.pause(seconds)
        if extends_pause:
            self.persist()
        self._report_long_pause(seconds)

    def restore(self, pause: RememberedPause) -> None:
        """Continue the pause that was stored before this start.

        A pause imposed on another host may not apply to this one, so a probe checks.
        """
        if pause.seconds > 0:
            log.warning("supervisor.pause_restored", pause_seconds=round(pause.seconds, 1))
            self._budget.pause(pause.seconds)
            self._report_long_pause(pause.seconds)
        elif pause.elsewhere_seconds > 0:
            log.warning(
                "supervisor.paused_elsewhere", pause_seconds=round(pause.elsewhere_seconds, 1)
            )
            self._budget.require_probe()

    def persist(self) -> None:
        """Store the pause in force, if there is one, for the next start."""
        seconds = self._budget.paused_seconds
        if seconds > 0:
            self._write_in_background(partial(_write_pause, time.monotonic() + seconds))

    def _report_long_pause(self, seconds: float) -> None:
        if seconds > LONG_PAUSE_SECONDS:
            # The text is kept and shown later: it names the time, and not how long until then.
            until = datetime.now(UTC) + timedelta(seconds=seconds)
            reason = f"the exchange wants no requests until {until:%Y-%m-%d %H:%M:%S} UTC"
            self._on_long_pause(reason, seconds)


def _write_pause(until: float, planner: Planner) -> None:
    """Store a pause. `until` is by the monotonic clock, because the write may have waited."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        return
    try:
        planner.write_pause(seconds)
    except ReconcilerError as error:
        # This process keeps the pause anyway: no reason to end it.
        log.warning("supervisor.pause_not_recorded", reason=str(error))
