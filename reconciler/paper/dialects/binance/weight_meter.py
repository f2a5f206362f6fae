"""The request weight that each address has used, and its pauses and bans.

    within the limit ──▶ paused (429) ──▶ banned (418)
            ▲   the pause is over  │ kept sending    │
            └──────────────────────┴── the ban is over

Source: Binance Spot API documentation, rest-api.md, "IP Limits", read 2026-11-24: limits are per
IP; a 429 or 418 carries `Retry-After` in seconds; not backing off after a 429 earns a ban, from 2
minutes to 3 days, longer for repeated offences. Binance publishes neither how many requests it
tolerates during a pause nor by how much a ban grows.
"""

from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus

WINDOW_MS = 60_000
PUBLISHED_LIMIT = 6000
TOLERATED_REQUESTS = 10
"""The number of requests during a pause that do not yet earn a ban."""
IN_FLIGHT_MS = 1000
"""Requests this soon after a pause began may have been sent before the client knew of it."""
SHORTEST_BAN_SECONDS = 120
LONGEST_BAN_SECONDS = 3 * 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """The result of counting one request.

    Attributes:
        used: The weight that its address has used in this minute.
        refused_with: The HTTP status of the refusal, or None for a request within the limit.
        retry_after_seconds: The time for which further requests are refused.
    """

    used: int
    refused_with: HTTPStatus | None = None
    retry_after_seconds: int = 0


@dataclass(kw_only=True, slots=True)
class _AddressUsage:
    window: int = 0
    used: int = 0
    pause_began_ms: int = 0
    paused_until_ms: int = 0
    banned_until_ms: int = 0
    requests_in_pause: int = 0
    bans: int = 0


class WeightMeter:
    """Counts weight per address in minutes of the clock. Refused requests count too."""

    def __init__(
        self, limit: int = PUBLISHED_LIMIT, *, tolerated_requests: int = TOLERATED_REQUESTS
    ) -> None:
        self.limit = limit
        self.total = 0
        self._tolerated_requests = tolerated_requests
        self._addresses: defaultdict[str, _AddressUsage] = defaultdict(_AddressUsage)

    def charge(self, address: str, weight: int, now_ms: int) -> Charge:
        """Count `weight` for `address`, and decide whether the request is refused."""
        usage = self._addresses[address]
        self._count(usage, weight, now_ms)
        self._apply_limits(usage, now_ms)
        if now_ms < usage.banned_until_ms:
            return _refused(usage, HTTPStatus.IM_A_TEAPOT, usage.banned_until_ms - now_ms)
        if now_ms < usage.paused_until_ms:
            return _refused(usage, HTTPStatus.TOO_MANY_REQUESTS, usage.paused_until_ms - now_ms)
        return Charge(used=usage.used)

    def pause(self, address: str, seconds: float, now_ms: int) -> None:
        """Refuse requests of `address` for `seconds`, whatever weight it has used."""
        _pause(self._addresses[address], now_ms + round(seconds * 1000), now_ms)

    def ban(self, address: str, seconds: float, now_ms: int) -> None:
        """Ban `address` for `seconds`."""
        self._addresses[address].banned_until_ms = now_ms + round(seconds * 1000)

    def _count(self, usage: _AddressUsage, weight: int, now_ms: int) -> None:
        window = now_ms // WINDOW_MS
        if window != usage.window:
            usage.window, usage.used = window, 0
        usage.used += weight
        self.total += weight

    def _apply_limits(self, usage: _AddressUsage, now_ms: int) -> None:
        if now_ms < usage.banned_until_ms:
            return
        if now_ms < usage.paused_until_ms:
            usage.requests_in_pause += now_ms >= usage.pause_began_ms + IN_FLIGHT_MS
            if usage.requests_in_pause > self._tolerated_requests:
                _ban(usage, now_ms)
        elif usage.used > self.limit:
            _pause(usage, (usage.window + 1) * WINDOW_MS, now_ms)


def _pause(usage: _AddressUsage, until_ms: int, now_ms: int) -> None:
    usage.pause_began_ms, usage.paused_until_ms, usage.requests_in_pause = now_ms, until_ms, 0


def _ban(usage: _AddressUsage, now_ms: int) -> None:
    seconds = min(SHORTEST_BAN_SECONDS << usage.bans, LONGEST_BAN_SECONDS)
    usage.banned_until_ms = now_ms + seconds * 1000
    usage.bans += 1


def _refused(usage: _AddressUsage, status: HTTPStatus, left_ms: int) -> Charge:
    return Charge(used=usage.used, refused_with=status, retry_after_seconds=-(-left_ms // 1000))
