"""The gauge of what looks open and is not followed: counted now and then, next to the work."""

import time
from collections.abc import Callable
from contextlib import closing

from reconciler.errors import ReconcilerError
from reconciler.store.database import Database
from reconciler.store.following import measure_following

EVERY_SECONDS = 600.0
MOST_SECONDS = 1.0


class FollowingGauge:
    """Remembers the last count. It counts over a connection of its own: planning does not wait."""

    def __init__(
        self, database_url: str, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._database_url = database_url
        self._monotonic = monotonic
        self._counted_at: float | None = None
        self._not_followed = 0

    def read(self) -> int:
        """Return how many rows look open and are not followed; what cannot be counted stays."""
        now = self._monotonic()
        if self._counted_at is None or now - self._counted_at >= EVERY_SECONDS:
            self._counted_at = now
            self._count()
        return self._not_followed

    def _count(self) -> None:
        try:
            with (
                closing(Database(self._database_url, role="supervisor")) as database,
                database.transaction() as connection,
            ):
                following = measure_following(connection, most_seconds=MOST_SECONDS)
        except ReconcilerError:
            return
        if following is not None:
            self._not_followed = following.not_followed
