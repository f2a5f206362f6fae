"""How much request weight each address has used, and who must be silent for it.

    within the limit ──▶ silent (429) ──▶ banned (418)
            ▲  the silence is over │  went on asking │
            └──────────────────────┴── the ban is over

Source: Binance Spot API documentation, rest-api.md, "IP Limits", read 2026-11-24: limits are per
IP; a 429 or 418 carries `Retry-After` in seconds; not backing off after a 429 earns a ban, from 2
minutes to 3 days, longer for repeated offences. How many requests are put up with, and by how much
a ban grows, is not published.
"""

from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus

WINDOW_MS = 60_000
PUBLISHED_LIMIT = 6000
TOLERATED_REQUESTS = 10
"""So many requests during a silence are put up with."""
IN_FLIGHT_MS = 1000
"""Requests this soon after the silence began may have been sent before it was heard of."""
SHORTEST_BAN_SECONDS = 120
LONGEST_BAN_SECONDS = 3 * 24 * 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """What one request did to its address's account.

    `refused_with` is None for a request within the limit; otherwise the request is refused with
    that HTTP status, and `retry_after_seconds` says for how long.
    """

    used: int
    refused_with: HTTPStatus | None = None
    retry_after_seconds: int = 0


@dataclass(kw_only=True, slots=True)
class _Address:
    window: int = 0
    used: int = 0
    pause_began_ms: int = 0
    paused_until_ms: int = 0
    banned_until_ms: int = 0
    ignored_requests: int = 0
    bans: int = 0


class WeightMeter:
    """Counts weight in minutes of the clock. A refused request counts too, as it cost work."""

    def __init__(
        self, limit: int = PUBLISHED_LIMIT, *, tolerated_requests: int = TOLERATED_REQUESTS
    ) -> None:
        self.limit = limit
        self.total = 0
        self._tolerated_requests = tolerated_requests
        self._addresses: defaultdict[str, _Address] = defaultdict(_Address)

    def charge(self, address: str, weight: int, now_ms: int) -> Charge:
        """Count `weight` against `address`, and judge whether it may ask."""
        account = self._addresses[address]
        self._count(account, weight, now_ms)
        self._judge(account, now_ms)
        if now_ms < account.banned_until_ms:
            return _refused(account, HTTPStatus.IM_A_TEAPOT, account.banned_until_ms - now_ms)
        if now_ms < account.paused_until_ms:
            return _refused(account, HTTPStatus.TOO_MANY_REQUESTS, account.paused_until_ms - now_ms)
        return Charge(used=account.used)

    def pause(self, address: str, seconds: float, now_ms: int) -> None:
        """Want `address` to be silent for so long, whatever it has used."""
        _pause(self._addresses[address], now_ms + round(seconds * 1000), now_ms)

    def ban(self, address: str, seconds: float, now_ms: int) -> None:
        """Ban `address` for so long."""
        self._addresses[address].banned_until_ms = now_ms + round(seconds * 1000)

    def _count(self, account: _Address, weight: int, now_ms: int) -> None:
        window = now_ms // WINDOW_MS
        if window != account.window:
            account.window, account.used = window, 0
        account.used += weight
        self.total += weight

    def _judge(self, account: _Address, now_ms: int) -> None:
        if now_ms < account.banned_until_ms:
            return
        if now_ms < account.paused_until_ms:
            account.ignored_requests += now_ms >= account.pause_began_ms + IN_FLIGHT_MS
            if account.ignored_requests > self._tolerated_requests:
                _ban(account, now_ms)
        elif account.used > self.limit:
            _pause(account, (account.window + 1) * WINDOW_MS, now_ms)


def _pause(account: _Address, until_ms: int, now_ms: int) -> None:
    account.pause_began_ms, account.paused_until_ms, account.ignored_requests = now_ms, until_ms, 0


def _ban(account: _Address, now_ms: int) -> None:
    seconds = min(SHORTEST_BAN_SECONDS << account.bans, LONGEST_BAN_SECONDS)
    account.banned_until_ms = now_ms + seconds * 1000
    account.bans += 1


def _refused(account: _Address, status: HTTPStatus, left_ms: int) -> Charge:
    return Charge(used=account.used, refused_with=status, retry_after_seconds=-(-left_ms // 1000))
