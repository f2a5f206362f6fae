"""An open cycle: chunks on their way through the workers, from plan to record.

    queued -> preparing -> prepared -> (verdict) -> committing -> done

No order of a cycle is written before the cycle has been judged as a whole. A cycle is judged when
no more of it can be prepared for now, or when it has waited too long for the slowest worker.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from reconciler.workload import AnomalyStats, Batch, Chunk, Counts, Cycle

PART_SECONDS = 10.0


class BatchStage(StrEnum):
    """A worker's step with a batch."""

    PREPARING = "preparing"
    COMMITTING = "committing"


class Planned(NamedTuple):
    """The items of the last page with any, and the weight that they will probably cost."""

    orders: int = 0
    weight: int = 0


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
        self._prepared: dict[int, int] = {}
        self._counts = Counts()
        self._monotonic = monotonic
        self._started = self._part_began = monotonic()
        self._part_began_at = datetime.now(UTC)

    @property
    def is_done(self) -> bool:
        """True if none of its items is queued or in flight."""
        return self._items_left <= 0

    @property
    def is_whole(self) -> bool:
        """True if it holds every stale item, and each one has been examined."""
        return self.ends_sweep and self.stats.examined == self.items

    @property
    def is_preparing(self) -> bool:
        """True while a worker prepares one of its batches."""
        return bool(self._preparing)

    @property
    def age_seconds(self) -> float:
        """The seconds since it began."""
        return self._monotonic() - self._started

    def begin_batch(self, batch: Batch) -> None:
        """Record that a worker prepares this batch."""
        self._preparing.add(batch.number)

    def end_preparation(self, batch: int, shard: int, stats: AnomalyStats) -> None:
        """Record that the batch is prepared and waits for the verdict."""
        self._preparing.discard(batch)
        self._prepared[batch] = shard
        self.stats += stats

    def forget_batch(self, batch: int) -> BatchStage:
        """Forget a batch that its worker could not finish; return the stage that it was in."""
        stage = BatchStage.PREPARING if batch in self._preparing else BatchStage.COMMITTING
        self._preparing.discard(batch)
        self._prepared.pop(batch, None)
        return stage

    def take_prepared(self) -> dict[int, list[int]]:
        """Return the batches that wait for the verdict, by shard; they wait no longer."""
        by_shard: dict[int, list[int]] = {}
        for batch, shard in self._prepared.items():
            by_shard.setdefault(shard, []).append(batch)
        self._prepared.clear()
        return by_shard

    def count(self, counts: Counts, *, finished_items: int) -> None:
        """Add the counts of a batch. Its `finished_items` are not queued again."""
        self._counts.add(counts)
        self._items_left -= finished_items

    def finish(self) -> Cycle:
        """Return the record of the cycle, or of the time since its last part."""
        return Cycle(
            started_at=self._part_began_at,
            finished_at=max(self._part_began_at, datetime.now(UTC)),
            duration_ms=round((self._monotonic() - self._part_began) * 1000),
            counts=self._counts,
            ends_sweep=self.ends_sweep and self.is_done and not self.is_sample,
        )

    def finish_part(self) -> Cycle | None:
        """Return a record of the work so far if something failed; else None.

        A cycle with failures may wait long before it goes on, and they must be seen before that.
        """
        is_due = self._monotonic() - self._part_began >= PART_SECONDS
        if not (is_due and self._counts.errors):
            return None
        part = self.finish()
        self._counts = Counts()
        self._part_began = self._monotonic()
        self._part_began_at = datetime.now(UTC)
        return part


def group_by_cost(chunks: Iterable[Chunk], most: int) -> Iterator[list[Chunk]]:
    """Group chunks so that each group costs at most `most`, or is a single chunk.

    Neighbours of one key stay together if they fit into a group: they may share a request.
    """
    group: list[Chunk] = []
    cost = 0
    for part in _parts(chunks, most):
        part_cost = cost_of(part)
        if group and cost + part_cost > most:
            yield group
            group, cost = [], 0
        group += part
        cost += part_cost
    if group:
        yield group


def _parts(chunks: Iterable[Chunk], most: int) -> Iterator[list[Chunk]]:
    """Yield the neighbours of each key together if they cost at most `most`, else one by one."""
    for _, neighbours in groupby(chunks, key=attrgetter("key")):
        part = list(neighbours)
        if cost_of(part) <= most:
            yield part
        else:
            yield from ([chunk] for chunk in part)


def cost_of(chunks: Iterable[Chunk]) -> int:
    """Sum up the costs of chunks."""
    return sum(chunk.cost for chunk in chunks)


def size_of(chunks: Iterable[Chunk]) -> int:
    """Count the items of chunks."""
    return sum(len(chunk.items) for chunk in chunks)
