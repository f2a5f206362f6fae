"""A cycle: some runs on their way through the workers, from plan to record.

    queued -> examining -> waiting -> (verdict) -> concluding -> done

Nothing of a cycle is written before its evidence has been judged as a whole. It is judged when
nothing more of it can be examined for now, or when it has waited too long for the slowest.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum

from reconciler.workload import AnomalyStats, Batch, Chunk, Counts, Cycle

PART_SECONDS = 10.0


class Stage(StrEnum):
    """What a worker is doing with a batch."""

    PREPARING = "examining"
    COMMITTING = "concluding"


class OpenCycle:
    """A cycle that is not finished."""

    def __init__(
        self,
        number: int,
        items: int,
        *,
        keys: Iterable[str] = (),
        is_sample: bool = False,
        ends_sweep: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.number = number
        self.items = items
        self.is_sample = is_sample
        self.ends_sweep = ends_sweep
        self.stats = AnomalyStats(keys=frozenset(keys))
        self._items_left = items
        self._preparing: set[int] = set()
        self._waiting: dict[int, int] = {}
        self._tally = Counts()
        self._monotonic = monotonic
        self._started = self._part_began = monotonic()
        self._part_began_at = datetime.now(UTC)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is queued or in hand."""
        return self._items_left <= 0

    @property
    def is_whole(self) -> bool:
        """Whether all that is stale is in it, and something was learnt of each item."""
        return self.ends_sweep and self.stats.examined == self.items

    @property
    def is_preparing(self) -> bool:
        """Whether a worker is looking at a batch of it now."""
        return bool(self._preparing)

    @property
    def age_seconds(self) -> float:
        """How long ago it began."""
        return self._monotonic() - self._started

    def begin_batch(self, batch: Batch) -> None:
        """A worker is looking at this batch."""
        self._preparing.add(batch.number)

    def end_preparation(self, batch: int, shard: int, stats: AnomalyStats) -> None:
        """The worker has looked at it; it waits for the verdict."""
        self._preparing.discard(batch)
        self._waiting[batch] = shard
        self.stats += stats

    def forget_batch(self, batch: int) -> Stage:
        """The worker has died with it; return where it was on its way."""
        stage = Stage.PREPARING if batch in self._preparing else Stage.COMMITTING
        self._preparing.discard(batch)
        self._waiting.pop(batch, None)
        return stage

    def take_waiting(self) -> dict[int, list[int]]:
        """Return the batches that wait for the verdict, by shard; they wait no more."""
        by_shard: dict[int, list[int]] = {}
        for batch, shard in self._waiting.items():
            by_shard.setdefault(shard, []).append(batch)
        self._waiting.clear()
        return by_shard

    def count(self, counts: Counts, *, finished_items: int) -> None:
        """Add what came of a batch; `finished_items` will not come back."""
        self._tally.add(counts)
        self._items_left -= finished_items

    def finish(self) -> Cycle:
        """Return the record of it, or of what came after the last part."""
        return Cycle(
            started_at=self._part_began_at,
            finished_at=max(self._part_began_at, datetime.now(UTC)),
            duration_ms=round((self._monotonic() - self._part_began) * 1000),
            counts=self._tally,
            ends_sweep=self.ends_sweep and self.is_done and not self.is_sample,
        )

    def finish_part(self) -> Cycle | None:
        """Return the record of what was done so far, if something failed; else None.

        A cycle with failures may wait for long before it can go on, and they are not to be told
        only then.
        """
        is_due = self._monotonic() - self._part_began >= PART_SECONDS
        if not (is_due and self._tally.errors):
            return None
        part = self.finish()
        self._tally = Counts()
        self._part_began = self._monotonic()
        self._part_began_at = datetime.now(UTC)
        return part


def group_by_cost(chunks: Iterable[Chunk], most: int) -> Iterator[list[Chunk]]:
    """Cut a page into cycles that cost `most` at most, or are a single run."""
    group: list[Chunk] = []
    cost = 0
    for chunk in chunks:
        if group and cost + chunk.cost > most:
            yield group
            group, cost = [], 0
        group.append(chunk)
        cost += chunk.cost
    if group:
        yield group


def size_of(chunks: Iterable[Chunk]) -> int:
    """Count the items of some runs."""
    return sum(len(chunk.items) for chunk in chunks)
