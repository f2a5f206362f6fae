"""The gauge of what looks open and is not followed."""

import time
from collections.abc import Callable
from functools import partial

from reconciler.orders.periodic_query import MOST_SECONDS, PeriodicQuery
from reconciler.store.coverage import measure_coverage


class FollowingGauge:
    """Remembers the last count, which is renewed now and then."""

    def __init__(
        self, database_url: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._query = PeriodicQuery(
            database_url,
            partial(measure_coverage, most_seconds=MOST_SECONDS),
            monotonic=monotonic,
        )
        self._not_followed = 0

    def read(self) -> int:
        """Return how many rows look open and are not followed; what cannot be counted stays."""
        following = self._query.ask_if_due()
        if following is not None:
            self._not_followed = following.not_followed
        return self._not_followed
