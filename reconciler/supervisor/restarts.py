"""The delay before a shard's next worker: none, then longer and longer, at last minutes.

    death 1             restarted at once: one death is an accident
    deaths 2 to `most`  restarted after a delay that doubles
    one more            parked: the other shards do its work until its next worker is ready
    a death on trial    parked again, for twice as long

A shard is *on trial* from the end of its parking for one window. Deaths older than the window are
forgotten. Deaths that are attributed to a batch are not counted here: see `poison`.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """The limit of restarts, and their delays.

    Attributes:
        most: The number of restarts allowed within `window`.
        initial, cap: The delay of the second restart, and the delay up to which it doubles.
        park: How long a shard is parked the first time; this doubles up to `park_cap`.
    """

    most: int = 5
    window: timedelta = timedelta(seconds=60)
    initial: timedelta = timedelta(milliseconds=100)
    cap: timedelta = timedelta(seconds=30)
    park: timedelta = timedelta(seconds=60)
    park_cap: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartDecision:
    """The decision about a shard whose worker has died: the next one starts after `delay`."""

    delay: timedelta
    is_parked: bool = False


def restart_delay(deaths: int, policy: RestartPolicy, rng: random.Random) -> timedelta:
    """Return the delay after this number of deaths (1 or more) within the window.

    It is shortened by up to a half, so that workers that died together do not start together.
    """
    if deaths <= 1:
        return timedelta(0)
    longest = min(policy.cap, policy.initial * (1 << min(deaths - 2, 20)))
    return longest * rng.uniform(0.5, 1.0)


class RestartBackoff:
    """One shard's deaths, and the decision after each."""

    def __init__(
        self, policy: RestartPolicy, rng: random.Random, monotonic: Callable[[], float]
    ) -> None:
        self.policy = policy
        """The policy from the next death on; it may change at any time."""
        self._rng = rng
        self._monotonic = monotonic
        self._deaths: deque[float] = deque()
        self._times_parked = 0
        self._tried_at = 0.0

    @property
    def recent(self) -> int:
        """The number of deaths within the window."""
        self._forget()
        return len(self._deaths)

    def record_death(self) -> RestartDecision:
        """Record a death now; return when and how the shard goes on."""
        self._forget()
        self._deaths.append(self._monotonic())
        deaths = len(self._deaths)
        if deaths <= self.policy.most and not self._is_on_trial:
            return RestartDecision(delay=restart_delay(deaths, self.policy, self._rng))
        return self._park()

    def _park(self) -> RestartDecision:
        delay = min(self.policy.park_cap, self.policy.park * (1 << min(self._times_parked, 20)))
        self._times_parked += 1
        self._tried_at = self._monotonic() + delay.total_seconds()
        return RestartDecision(delay=delay, is_parked=True)

    @property
    def _is_on_trial(self) -> bool:
        """True if the shard was parked, and its parking ended less than a window ago."""
        window = self.policy.window.total_seconds()
        return self._times_parked > 0 and self._monotonic() - self._tried_at < window

    def _forget(self) -> None:
        oldest = self._monotonic() - self.policy.window.total_seconds()
        while self._deaths and self._deaths[0] < oldest:
            self._deaths.popleft()
        if not self._is_on_trial:
            self._times_parked = 0


class RestartBackoffs:
    """The restart backoff of each shard, all with one policy."""

    def __init__(
        self, policy: RestartPolicy, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy
        self._monotonic = monotonic
        self._rng = random.Random()  # noqa: S311 - jitter, no secret
        self._by_shard: dict[int, RestartBackoff] = {}

    def of(self, shard: int) -> RestartBackoff:
        """Return the shard's backoff; a new one if it has none yet."""
        if shard not in self._by_shard:
            self._by_shard[shard] = RestartBackoff(self._policy, self._rng, self._monotonic)
        return self._by_shard[shard]

    def set_policy(self, policy: RestartPolicy) -> None:
        """Use another policy from the next death on. Deaths so far still count."""
        self._policy = policy
        for backoff in self._by_shard.values():
            backoff.policy = policy

    def keep_only(self, shards: Collection[int]) -> None:
        """Forget the deaths of all other shards, so that one that comes back begins without any."""
        self._by_shard = {
            shard: backoff for shard, backoff in self._by_shard.items() if shard in shards
        }
