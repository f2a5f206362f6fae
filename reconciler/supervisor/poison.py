"""The blame for a worker's death: the worker's, or that of a chunk that it was working at.

    first death with a chunk in work   the worker: it may have been killed for its own reasons
    with two batches in work           the worker: either batch may be the cause
    again, in another shard            the chunk: it is halved, until the poisoned item is alone
    again, in the same shard           the worker, unless there is no other shard to try
    again with a single item           set aside: on hold as `crashed_worker`

An item is set aside only if a worker has survived the same stage with others, or if there is no
other item. Otherwise the items are not the cause: after `MOST_DEATHS_WITHOUT_RESULT` deaths nothing
is halved any more, and the shards' restart limits end it.
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
    """The consequences of a death: what to try again, what to set aside, and what is to blame."""

    again: tuple[Chunk, ...]
    poisoned: tuple[Chunk, ...] = ()
    is_workers_fault: bool = True


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
        """Return what follows from a death with these chunks in work.

        Args:
            chunks: A batch that the worker was working at.
            shard: The worker's shard.
            stage: The worker's step with them.
            is_alone: The worker was working at no other batch.
            has_others: Another shard could be tried.
            is_all: There is no other work than these chunks.
        """
        self._without_result[stage] += 1
        if self._without_result[stage] > MOST_DEATHS_WITHOUT_RESULT:
            return CrashVerdict(again=tuple(chunks))
        tried = [
            (chunk, is_alone and _is_to_blame(chunk, shard, has_others=has_others))
            for chunk in chunks
        ]
        parts = [
            part for chunk, to_blame in tried for part in _after(chunk, shard, to_blame=to_blame)
        ]
        may_set_aside = is_all or stage in self._survived
        poisoned = [chunk for chunk in parts if chunk.crashes >= MOST_CRASHES and may_set_aside]
        return CrashVerdict(
            again=tuple(chunk for chunk in parts if chunk not in poisoned),
            poisoned=tuple(poisoned),
            is_workers_fault=not any(to_blame for _, to_blame in tried),
        )


def _is_to_blame(chunk: Chunk, shard: int, *, has_others: bool) -> bool:
    return bool(chunk.crashes) and (not has_others or bool(chunk.crashed_in - {shard}))


def _after(chunk: Chunk, shard: int, *, to_blame: bool) -> list[Chunk]:
    """Return a chunk that was in work at a death as it is to be tried again."""
    if not to_blame:
        crashed_in = chunk.crashed_in | {shard}
        return [replace(chunk, crashes=max(1, chunk.crashes), crashed_in=crashed_in)]
    if len(chunk.items) == 1:
        return [replace(chunk, crashes=chunk.crashes + 1)]
    middle = len(chunk.items) // 2
    halves = (chunk.items[:middle], chunk.items[middle:])
    here = frozenset({shard})
    return [replace(chunk, items=half, crashes=1, crashed_in=here) for half in halves]
