"""The log of requests: counts since the start, and the latest requests one by one."""

from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice

import msgspec

DEFAULT_CAPACITY = 100_000
ANSWERED = "200"
DISCONNECTED = "disconnected"
"""Stands in place of an HTTP status if there was no answer."""
REFUSED = "refused"
"""Stands in place of HTTP status 200 if the body refuses the request, as at some venues."""


class LoggedRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request of the dialect.

    Attributes:
        number: Counts the requests since the start, in the order of their answers.
        at_ms: When it arrived, in ms since 1970.
        status: The HTTP status of the answer, `DISCONNECTED` or `REFUSED`.
        retry_after_seconds: The pause that the answer asked for.
    """

    number: int
    at_ms: int
    address: str
    route: str
    symbol: str | None
    weight: int
    status: str
    retry_after_seconds: int | None


class RequestLog:
    """Counts requests and keeps the latest ones.

    Attributes:
        started_ms: When the counts began, in ms since 1970.
        count_by_route: All requests.
        rejected_by_status: Requests that got no answer, or a refusal.
    """

    def __init__(self, *, started_ms: int, capacity: int = DEFAULT_CAPACITY) -> None:
        """Keep the latest `capacity` requests one by one."""
        self.started_ms = started_ms
        self.count_by_route = Counter[str]()
        self.rejected_by_status = Counter[str]()
        self._latest = deque[LoggedRequest](maxlen=capacity)

    @property
    def next_number(self) -> int:
        """The number of the request that is logged next."""
        return self.count_by_route.total() + 1

    def record(self, request: LoggedRequest) -> None:
        """Record a request that is being answered."""
        self.count_by_route[request.route] += 1
        if request.status != ANSWERED:
            self.rejected_by_status[request.status] += 1
        self._latest.append(request)

    def after(self, number: int, limit: int) -> Sequence[LoggedRequest]:
        """Return up to `limit` of the kept requests after `number`."""
        dropped = self._latest[0].number - 1 if self._latest else 0
        first = max(0, number - dropped)
        return list(islice(self._latest, first, first + limit))
