"""The halt: nothing is written because most answers of a cycle look suspicious.

A wrong account, a wiped testnet or a bad deployment looks like thousands of vanished, shrunken or
contradicting orders. Then neither rows nor holds may be written, until a sample looks sane again or
a person releases the halt. It is no anomaly if every order has ended: the exchange reports each
end.

If the exchange answers with an error that is about one order, only that order is to blame; if it
does not know a symbol, only that symbol's orders are. Other orders must not wait for them. If most
symbols have such orders, the cause is neither an order nor a symbol: we ask in the wrong way, or
the wrong exchange.

    off -> on    a cycle is an anomaly (`judge`), or the database has a halt (`adopt`)
    on  -> off   a sample is clean (`judge`), or the database has none any more (`sync`)

The database's copy counts for all hosts. Until ours is recorded there, `is_recorded` is False.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from math import comb

import structlog

from reconciler.workload import AnomalyStats, Chunk, Planner

SAMPLE_ITEMS = 100

ENOUGH_TO_JUDGE = 0.25
"""This share of a cycle, if it is suspicious, is enough to apply the halt."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class HaltPolicy:
    """When a cycle is an anomaly, and when a sample is clean.

    Attributes:
        share: An anomaly has more than this share of suspicious orders,
        least: and at least this number of them.
        clean_share: A clean sample has at most this share of suspicious orders: well below `share`,
            so that the halt does not go on and off.
        luck: And a whole of which `share` is suspicious would give such a sample less often than
            this: a sample is taken every 15 s, and one in a million is one in half a year. So of 20
            orders none may be suspicious, of 50 at most 8, of 100 all that `clean_share` allows.
    """

    share: float = 0.5
    least: int = 50
    clean_share: float = 0.25
    luck: float = 1e-6


def is_anomaly(stats: AnomalyStats, policy: HaltPolicy) -> bool:
    """Return True if the cycle as a whole is suspicious, rather than some of its orders."""
    suspicious = _suspicious(stats, policy)
    return suspicious >= policy.least and suspicious > policy.share * stats.examined


def is_clean(stats: AnomalyStats, policy: HaltPolicy, *, is_whole: bool = False) -> bool:
    """Return True if a sample shows that the anomaly has passed.

    If nothing else is stale, the sample `is_whole` and leaves nothing to luck, however small it is.
    """
    suspicious = _suspicious(stats, policy)
    if not stats.examined or suspicious > policy.clean_share * stats.examined:
        return False
    return is_whole or _chance_of(suspicious, stats.examined, policy.share) < policy.luck


def _chance_of(suspicious: int, examined: int, share: float) -> float:
    """Return how likely at most `suspicious` of `examined` are, if `share` of all is: binomial."""
    return sum(
        comb(examined, count) * share**count * (1 - share) ** (examined - count)
        for count in range(suspicious + 1)
    )


def describe(stats: AnomalyStats) -> str:
    """Return the reason for the halt, as text for a person."""
    errors = sum(stats.errors.values())
    if errors <= stats.suspicious:
        return (
            f"{stats.suspicious:,} of {stats.examined:,} orders came back not found,"
            " shrunken, contradicting or unknown: is it the right account at the right exchange?"
        )
    return (
        f"{errors:,} of {stats.examined:,} orders were answered with an error of their own, in"
        f" {len(stats.errors):,} of {len(stats.keys):,} symbols: is it the right exchange,"
        " and do symbol and external_order_id hold the exchange's names and ids?"
    )


def _suspicious(stats: AnomalyStats, policy: HaltPolicy) -> int:
    """Count the suspicious orders; orders with an error count if most symbols have some."""
    is_mass = len(stats.errors) > policy.share * len(stats.keys)
    return stats.suspicious + (sum(stats.errors.values()) if is_mass else 0)


def sample_of(chunks: Iterable[Chunk], size: int = SAMPLE_ITEMS) -> list[Chunk]:
    """Take up to `size` items, spread over each chunk because its two ends may differ."""
    chunks = list(chunks)
    per_chunk = max(1, size // max(1, len(chunks)))
    sample: list[Chunk] = []
    left = size
    for chunk in chunks:
        if left <= 0:
            break
        count = min(per_chunk, left)
        step = max(1, len(chunk.items) // count)
        items = chunk.items[::step][:count]
        sample.append(replace(chunk, items=items))
        left -= len(items)
    return sample


class CycleVerdict(StrEnum):
    """The fate of the prepared batches of a cycle."""

    COMMIT = "commit"
    FORGET = "forget"
    HALT = "halt"
    """Forget them and all queued chunks, because the cycle is an anomaly."""


class Halt:
    """The halt as this host knows it: on or off, why, and recorded or not."""

    def __init__(
        self,
        policy: HaltPolicy,
        *,
        write_in_background: Callable[[Callable[[Planner], None]], None],
        on_change: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """Begin with the halt off.

        Args:
            policy: When to apply and to release it; may change at any time.
            write_in_background: Runs a database write in the background.
            on_change: Called with the reason when it goes on, with None when it goes off.
        """
        self.policy = policy
        self.reason: str | None = None
        self.version = 0
        """Grows with each change; tells if a reading of the database is older than a change."""
        self._recorded_version = 0
        """The version that the database holds."""
        self.is_of_another_host = False
        """True if another host applied it while we worked. Our samples prove nothing about it."""
        self._own_reason: str | None = None
        """The reason for which we last applied it. Recorded late, it looks like another host's."""
        self._recording = threading.Lock()
        self._write_in_background = write_in_background
        self._on_change = on_change

    @property
    def is_on(self) -> bool:
        """True while nothing may be written."""
        return self.reason is not None

    @property
    def is_recorded(self) -> bool:
        """True if the database holds the same state as this object."""
        return self._recorded_version == self.version

    @property
    def may_be_sampled(self) -> bool:
        """True if a clean sample of ours would release it."""
        return self.is_on and not self.is_of_another_host

    def judge(self, stats: AnomalyStats, *, is_sample: bool, is_whole: bool) -> CycleVerdict:
        """Judge a cycle: apply or release the halt, and return the fate of its prepared batches.

        A cycle that `is_sample` only shows if the halt may be released. `is_whole` is as in
        `is_clean`.
        """
        if is_anomaly(stats, self.policy):
            self.apply(describe(stats))
            return CycleVerdict.HALT
        if is_sample and is_clean(stats, self.policy, is_whole=is_whole):
            self.release("a sample was clean")
        return CycleVerdict.FORGET if self.is_on or is_sample else CycleVerdict.COMMIT

    def is_certain(self, stats: AnomalyStats, *, items: int) -> bool:
        """Return True if enough of a cycle of `items` is suspicious to judge it already.

        Orders that an exchange does not know are looked up one by one, so the rest of such a cycle
        would cost minutes of the rate budget. A single suspicious symbol is not enough.
        """
        return stats.examined >= items * ENOUGH_TO_JUDGE and is_anomaly(stats, self.policy)

    def apply(self, reason: str) -> None:
        """Turn it on, if it is off, and record it for all hosts in the background."""
        if self.is_on:
            return
        log.critical("halt.applied", reason=reason)
        self.is_of_another_host = False
        self._own_reason = reason
        self._turn(reason)
        self._write_in_background(partial(self.record, reason))

    def adopt(self, reason: str, *, is_at_start: bool) -> None:
        """Turn it on, if it is off, because the database has it.

        The cause of a halt found at the start may be gone, so a clean sample may release it.
        """
        if self.is_on:
            return
        self.is_of_another_host = not is_at_start and reason != self._own_reason
        log.critical("halt.found", reason=reason)
        self._turn(reason, is_recorded=True)

    def release(self, why: str, *, is_recorded: bool = False) -> None:
        """Turn it off. The workers read the database, so they write nothing until it is recorded.

        `is_recorded` is True if the release was read from the database.
        """
        log.warning("halt.released", why=why)
        self._turn(None, is_recorded=is_recorded)

    def sync(self, recorded: str | None, *, version: int, is_at_start: bool) -> None:
        """Follow the database: `recorded` is its reason for the halt, or None if it has no halt.

        `version` is ours from before the database was read. If the halt has changed since, the
        reading is outdated and is ignored.
        """
        if version != self.version:
            return
        if recorded is not None:
            self.adopt(recorded, is_at_start=is_at_start)
        elif self.is_on:
            self.release("released by a person", is_recorded=True)

    def record(self, reason: str | None, planner: Planner) -> None:
        """Write to the database that it is on, or off (None). Called from a thread.

        Writes nothing if the halt has changed since this write was requested. If it changes while
        the database writes, it stays unrecorded, and the next write follows.
        """
        with self._recording:
            version = self.version
            if reason == self.reason:
                planner.write_halt(reason)
                self._recorded_version = version

    def _turn(self, reason: str | None, *, is_recorded: bool = False) -> None:
        self.version += 1
        self.reason = reason
        if is_recorded:
            self._recorded_version = self.version
        self._on_change(reason)
