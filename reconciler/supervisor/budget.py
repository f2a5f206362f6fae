"""The host's rate budget, kept by the supervisor; the workers request weight over their pipes.

Waiting workers are served in turn, so that none starves however much another requests, and what one
does not use the others get. When a worker dies or is replaced, what was spent stays spent, and what
it was waiting for leaves the queue.

After a rate-limit pause one request goes first, the *probe*, and the others follow when it is
answered: one of each worker at once would cause the next pause. A worker that is to end does not
wait: what cannot be granted at once is denied. Once the budget is closed, everything is denied.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from enum import StrEnum
from functools import partial

import structlog

from reconciler.errors import ReconcilerError
from reconciler.resilience.budget import WINDOW_SECONDS, WeightWindow
from reconciler.workload import Planner, RememberedPause

PROBE_TIMEOUT_SECONDS = 15.0
"""When a probe without an answer counts as lost: it ends within 10 s."""

PAUSE_TOLERANCE_SECONDS = 1.0
"""A pause is recorded again if it grows by more than this: all workers report the same one."""

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
        self._waiting: OrderedDict[Hashable, deque[tuple[int, OnReply]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._probing: Hashable | None = None
        self._probe_timer: asyncio.TimerHandle | None = None
        self._not_waiting: set[Hashable] = set()
        self._is_closed = False

    @property
    def paused_seconds(self) -> float:
        """The seconds that the rate-limit pause still lasts."""
        return self._window.paused_seconds

    def request(self, owner: Hashable, weight: int, reply: OnReply) -> None:
        """Reply when it is the owner's turn and `weight` may be spent, or when it is denied."""
        if self._is_closed:
            reply(BudgetReply.DENIED)
            return
        self._waiting.setdefault(owner, deque()).append((weight, reply))
        self._serve()
        if owner in self._not_waiting:
            self._deny(owner)

    def withdraw(self, owner: Hashable) -> None:
        """Forget what `owner` waits for: it has ended."""
        self._waiting.pop(owner, None)
        self._not_waiting.discard(owner)
        if self._probing == owner:
            self._forget_probe()
        self._serve()

    def deny_waits(self, owner: Hashable) -> None:
        """Deny `owner` what cannot be granted at once, from now on: it is to end."""
        self._not_waiting.add(owner)
        self._deny(owner)
        self._serve()

    def close(self) -> None:
        """Deny everything from now on: all workers are to end."""
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
        """Record the end of the probe; grant the others if the exchange answered it."""
        if self._probing != owner:
            return
        self._forget_probe()
        if is_alive and not self._window.paused_seconds:
            self._window.clear_probe()
        self._serve()

    def observe(self, used_weight: int) -> None:
        """Record the account's used weight, as the exchange reports it."""
        self._window.observe(used_weight)

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._probing is None:
            owner, requests = next(iter(self._waiting.items()))
            weight, reply = requests[0]
            wait_seconds = self._window.reserve(weight)
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
        self._probing = owner
        self._probe_timer = loop.call_later(PROBE_TIMEOUT_SECONDS, self._give_up_probe)

    def _give_up_probe(self) -> None:
        self._forget_probe()
        self._serve()

    def _forget_probe(self) -> None:
        self._probing = None
        if self._probe_timer is not None:
            self._probe_timer.cancel()
            self._probe_timer = None

    def _deny(self, owner: Hashable) -> None:
        for _, reply in self._waiting.pop(owner, ()):
            reply(BudgetReply.DENIED)


class RateLimitPauses:
    """Begins the rate-limit pauses that the exchange asks for, and records them for a restart."""

    def __init__(
        self,
        budget: SharedBudget,
        *,
        write: Callable[[Callable[[Planner], None]], None],
        on_ban: Callable[[str, float], None],
    ) -> None:
        """Prepare.

        Args:
            budget: Grants nothing during a pause.
            write: Has the database written in the background.
            on_ban: Called with the reason and the seconds of a pause longer than a minute's limit.
        """
        self._budget = budget
        self._write = write
        self._on_ban = on_ban

    def begin(self, seconds: float) -> None:
        """Send no request for `seconds`, as the exchange asked a worker."""
        log.warning("supervisor.rate_limited", pause_seconds=seconds)
        is_longer = seconds > self._budget.paused_seconds + PAUSE_TOLERANCE_SECONDS
        self._budget.pause(seconds)
        if is_longer:
            self.record()
        self._report_ban(seconds)

    def restore(self, pause: RememberedPause) -> None:
        """Go on with the pause from before this start.

        A pause that another host was told need not hold here: a probe finds out.
        """
        if pause.seconds > 0:
            log.warning("supervisor.pause_restored", pause_seconds=round(pause.seconds, 1))
            self._budget.pause(pause.seconds)
            self._report_ban(pause.seconds)
        elif pause.elsewhere_seconds > 0:
            log.warning(
                "supervisor.paused_elsewhere", pause_seconds=round(pause.elsewhere_seconds, 1)
            )
            self._budget.require_probe()

    def record(self) -> None:
        """Record the pause in force, if there is one, for the next start."""
        seconds = self._budget.paused_seconds
        if seconds > 0:
            self._write(partial(_write_pause, time.monotonic() + seconds))

    def _report_ban(self, seconds: float) -> None:
        if seconds > WINDOW_SECONDS:
            self._on_ban(f"the exchange wants no requests for {seconds:.0f} s", seconds)


def _write_pause(until: float, planner: Planner) -> None:
    """Record a pause; `until` is by the monotonic clock, since the write may have waited."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        return
    try:
        planner.write_pause(seconds)
    except ReconcilerError as error:
        # This process keeps the pause anyway: no reason to end it.
        log.warning("supervisor.pause_not_recorded", reason=str(error))
