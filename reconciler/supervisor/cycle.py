"""A cycle: some runs on their way through the workers, from plan to record.

    queued -> examining -> waiting -> (verdict) -> concluding -> done

Nothing of a cycle is written before its evidence has been judged as a whole. It is judged when
nothing more of it can be examined for now, or when it has waited too long for the slowest.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from reconciler.workload import Batch, Cycle, Evidence, Run, Tally

PART_SECONDS = 10.0


class Stage(StrEnum):
    """What a worker is doing with a batch."""

    EXAMINING = "examining"
    CONCLUDING = "concluding"


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
        self.evidence = Evidence(keys=frozenset(keys))
        self._items_left = items
        self._examining: set[int] = set()
        self._waiting: dict[int, int] = {}
        self._tally = Tally()
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
        return self.ends_sweep and self.evidence.looked_at == self.items

    @property
    def is_examining(self) -> bool:
        """Whether a worker is looking at a batch of it now."""
        return bool(self._examining)

    @property
    def age_seconds(self) -> float:
        """How long ago it began."""
        return self._monotonic() - self._started

    def begin_batch(self, batch: Batch) -> None:
        """A worker is looking at this batch."""
        self._examining.add(batch.number)

    def end_examination(self, batch: int, shard: int, evidence: Evidence) -> None:
        """The worker has looked at it; it waits for the verdict."""
        self._examining.discard(batch)
        self._waiting[batch] = shard
        self.evidence += evidence

    def forget_batch(self, batch: int) -> Stage:
        """The worker has died with it; return where it was on its way."""
        stage = Stage.EXAMINING if batch in self._examining else Stage.CONCLUDING
        self._examining.discard(batch)
        self._waiting.pop(batch, None)
        return stage

    def take_waiting(self) -> dict[int, list[int]]:
        """Return the batches that wait for the verdict, by shard; they wait no more."""
        by_shard: dict[int, list[int]] = {}
        for batch, shard in self._waiting.items():
            by_shard.setdefault(shard, []).append(batch)
        self._waiting.clear()
        return by_shard

    def count(self, tally: Tally, *, finished_items: int) -> None:
        """Add what came of a batch; `finished_items` will not come back."""
        self._tally.add(tally)
        self._items_left -= finished_items

    def finish(self) -> Cycle:
        """Return the record of it, or of what came after the last part."""
        return Cycle(
            started_at=self._part_began_at,
            finished_at=max(self._part_began_at, datetime.now(UTC)),
            duration_ms=round((self._monotonic() - self._part_began) * 1000),
            tally=self._tally,
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
        self._tally = Tally()
        self._part_began = self._monotonic()
        self._part_began_at = datetime.now(UTC)
        return part


def group_by_cost(runs: Iterable[Run], most: int) -> Iterator[list[Run]]:
    """Cut a page into cycles that cost `most` at most, or are a single run."""
    group: list[Run] = []
    cost = 0
    for run in runs:
        if group and cost + run.cost > most:
            yield group
            group, cost = [], 0
        group.append(run)
        cost += run.cost
    if group:
        yield group


def size_of(runs: Iterable[Run]) -> int:
    """Count the items of some runs."""
    return sum(len(run.items) for run in runs)


def sample_of(runs: Iterable[Run], size: int) -> list[Run]:
    """Take items from all over every run, `size` in all at most: its two ends may differ."""
    runs = list(runs)
    each = max(1, size // max(1, len(runs)))
    taken: list[Run] = []
    left = size
    for run in runs:
        if left <= 0:
            break
        wanted = min(each, left)
        step = max(1, len(run.items) // wanted)
        items = run.items[::step][:wanted]
        taken.append(replace(run, items=items))
        left -= len(items)
    return taken
