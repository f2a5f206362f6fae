"""The blame for a worker's death: on the worker itself, or on a chunk that it was working at.

    first death with a chunk in work   the worker, which may have been killed for its own reasons
    with two batches in work           the worker, because either batch may be the cause
    again, in another shard            the chunk, which is halved until the poisoned item is alone
    again, in the same shard           the worker, unless there is no other shard to try
    again with a single item           the item, which is put on hold as `crashed_worker`

An item is put on hold only if a worker has survived the same stage with other items, or if there is
no other item. Otherwise the items are not the cause: after `MOST_DEATHS_WITHOUT_RESULT` deaths no
chunk is halved any more, and the restart limits park the shards.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.supervisor.cycle import BatchStage
from reconciler.workload import Chunk

MOST_CRASHES = 2
"""A single item that has crashed this many workers is poisoned."""

MOST_DEATHS_WITHOUT_RESULT = 16
"""Halving a batch of thousands down to the poisoned item takes fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrashVerdict:
    """The chunks to try again after a death, the poisoned ones to put on hold, and the blame."""

    again: tuple[Chunk, ...]
    poisoned: tuple[Chunk, ...] = ()
    is_worker_to_blame: bool = True


class PoisonDetector:
    """Finds the items that crash workers, from one death after another."""

    def __init__(self) -> None:
        self._without_result: Counter[BatchStage] = Counter()
        self._survived: set[BatchStage] = set()

    def record_survival(self, stage: BatchStage) -> None:
        """Record that a worker has survived this stage."""
        self._survived.add(stage)
        self._without_result[stage] = 0

    def on_crash(
        self,
        chunks: Sequence[Chunk],
        *,
        shard: int,
        stage: BatchStage,
        is_alone: bool,
        has_others: bool,
        is_all: bool,
    ) -> CrashVerdict:
        """Return the verdict on a death while the worker was working at these chunks.

        Args:
            chunks: A batch that the worker was working at.
            shard: The worker's shard.
            stage: The worker's step with the batch.
            is_alone: The worker was working at no other batch.
            has_others: Another shard could be tried.
            is_all: No other chunk is queued or in flight.
        """
        self._without_result[stage] += 1
        if self._without_result[stage] > MOST_DEATHS_WITHOUT_RESULT:
            return CrashVerdict(again=tuple(chunks))
        tried = [
            (chunk, is_alone and _is_to_blame(chunk, shard, has_others=has_others))
            for chunk in chunks
        ]
        parts = [
            part
            for chunk, to_blame in tried
            for part in _parts_to_retry(chunk, shard, to_blame=to_blame)
        ]
        may_hold = is_all or stage in self._survived
        poisoned = [chunk for chunk in parts if chunk.crashes >= MOST_CRASHES and may_hold]
        return CrashVerdict(
            again=tuple(chunk for chunk in parts if chunk not in poisoned),
            poisoned=tuple(poisoned),
            is_worker_to_blame=not any(to_blame for _, to_blame in tried),
        )


def _is_to_blame(chunk: Chunk, shard: int, *, has_others: bool) -> bool:
    return bool(chunk.crashes) and (not has_others or bool(chunk.crashed_in - {shard}))


def _parts_to_retry(chunk: Chunk, shard: int, *, to_blame: bool) -> list[Chunk]:
    """Return the parts in which to try a chunk again that was in work at a death."""
    if not to_blame:
        crashed_in = chunk.crashed_in | {shard}
        return [replace(chunk, crashes=max(1, chunk.crashes), crashed_in=crashed_in)]
    if len(chunk.items) == 1:
        return [replace(chunk, crashes=chunk.crashes + 1)]
    middle = len(chunk.items) // 2
    halves = (chunk.items[:middle], chunk.items[middle:])
    here = frozenset({shard})
    return [replace(chunk, items=half, crashes=1, crashed_in=here) for half in halves]
