"""When a dead worker is replaced: at once the first time, then later and later. Pure."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """Jittered exponential back-off. A worker that lived for `forgiven_after` starts afresh."""

    initial: timedelta = timedelta(milliseconds=100)
    cap: timedelta = timedelta(seconds=30)
    forgiven_after: timedelta = timedelta(seconds=60)


def restart_delay(deaths_in_a_row: int, policy: RestartPolicy, rng: random.Random) -> timedelta:
    """Return how long to wait after so many early deaths in a row (1 or more).

    The first replacement starts at once: one death is an accident. From the second on the wait
    doubles, less up to a half, so that workers that died together do not start together.
    """
    if deaths_in_a_row <= 1:
        return timedelta(0)
    longest = min(policy.cap, policy.initial * (1 << min(deaths_in_a_row - 2, 20)))
    return longest * rng.uniform(0.5, 1.0)
