"""How much request weight each address has used, in windows of one minute by the exchange's clock.

Source: Binance Spot API documentation, "LIMITS", read 2026-11-24: limits are per IP, every answer
carries `X-MBX-USED-WEIGHT-1M`, and a 429 carries `Retry-After` in seconds.
"""

from collections import Counter
from dataclasses import dataclass

WINDOW_MS = 60_000
PUBLISHED_LIMIT = 6000


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """What one request did to its address's account.

    `retry_after_seconds` is None for a request within the limit; otherwise the request is refused,
    and that is how long the window lasts.
    """

    used: int
    retry_after_seconds: int | None


class WeightMeter:
    """Counts the weight of the current minute. A refused request counts too, as it cost work."""

    def __init__(self, limit: int = PUBLISHED_LIMIT) -> None:
        self.limit = limit
        self.total = 0
        self._window = 0
        self._used: Counter[str] = Counter()

    def charge(self, address: str, weight: int, now_ms: int) -> Charge:
        """Count `weight` against `address`."""
        window = now_ms // WINDOW_MS
        if window != self._window:
            self._window = window
            self._used.clear()
        self._used[address] += weight
        self.total += weight
        used = self._used[address]
        if used <= self.limit:
            return Charge(used=used, retry_after_seconds=None)
        left_ms = WINDOW_MS - now_ms % WINDOW_MS
        return Charge(used=used, retry_after_seconds=-(-left_ms // 1000))
