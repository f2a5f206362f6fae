"""The host's rate budget, kept by the supervisor; the workers request weight over their pipes.

Waiting workers are served in turn, so that none starves however much another requests; weight that
one does not use goes to the others. When a worker dies or is replaced, the weight that it spent
stays spent, and its waiting requests leave the queue.

After a rate-limit pause one request goes first, the *probe*, and the others follow when it is
answered: one of each worker at once would cause the next pause. A stopping worker never waits: a
request that cannot be granted immediately is denied. Once the budget is closed, every request is.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog

from reconciler.errors import ReconcilerError
from reconciler.resilience.budget import WINDOW_SECONDS, WeightWindow
from reconciler.resilience.limits import Cost, LimitReading, weight_of
from reconciler.workload import Planner, RememberedPause

PROBE_TIMEOUT_SECONDS = 15.0
"""Seconds after which an unanswered probe counts as lost. A probe itself takes at most 10 s."""

PAUSE_TOLERANCE_SECONDS = 1.0
"""A pause is stored again only if it grows by more than this: each worker reports the same one."""

log = structlog.get_logger(__name__)


class BudgetReply(StrEnum):
    """The reply to a request for weight."""

    GRANTED = "granted"
    GRANTED_AS_PROBE = "granted_as_probe"
    DENIED = "denied"


OnReply = Callable[[BudgetReply], None]


class SharedBudget:
    """Grants weight to its owners in turn, as the window allows."""

    def __init__(self, window: WeightWindow) -> None:
        self._window = window
        self._waiting: OrderedDict[Hashable, deque[tuple[Cost, OnReply]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._probe_owner: Hashable | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._shutting_down: set[Hashable] = set()
        self._is_closed = False

    @property
    def paused_seconds(self) -> float:
        """The seconds that the rate-limit pause still lasts."""
        return self._window.paused_seconds

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
        self._window.pause(seconds)

    def require_probe(self) -> None:
        """Grant one request as a probe before all others, as after a pause."""
        self._window.require_probe()

    def end_probe(self, owner: Hashable, *, is_alive: bool) -> None:
        """Record the end of the owner's probe, if it has one; serve the others.

        `is_alive` is True if the exchange answered it. If not, the next request is a probe again.
        """
        if self._probe_owner != owner:
            return
        self._forget_probe()
        if is_alive and not self._window.paused_seconds:
            self._window.clear_probe()
        self._serve()

    def observe(self, reading: LimitReading) -> None:
        """Record what an answer says about one limit, by the exchange's own count."""
        if reading.used is not None:
            self._window.observe(reading.used)

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._probe_owner is None:
            owner, requests = next(iter(self._waiting.items()))
            cost, reply = requests[0]
            wait_seconds = self._window.reserve(weight_of(cost))
            if wait_seconds > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait_seconds, self._serve)
                return
            requests.popleft()
            self._waiting.move_to_end(owner)
            if not requests:
                del self._waiting[owner]
            if self._window.needs_probe:
                self._begin_probe(owner)
                reply(BudgetReply.GRANTED_AS_PROBE)
            else:
                reply(BudgetReply.GRANTED)

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
            on_long_pause: Called with the reason and the seconds of a pause that is longer than the
                window of the limit, a minute.
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
        if seconds > WINDOW_SECONDS:
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
