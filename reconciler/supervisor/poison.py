"""Whose fault a worker's death is: the worker's, or the work's that it had in hand.

    the first death over a run       the worker's: it may have been killed for reasons of its own
    over two batches at once         the worker's: nobody knows which of them it was
    again, in another shard          the run's: it is halved, until the guilty item is alone
    again, in the same shard         the worker's, unless there is no other shard to try
    an item alone, and again         set aside: on hold as `crashed_worker`

An item is set aside only once others have got through the same stage alive, or when there is no
other. Else it is not the items: after so many deaths in vain nothing is halved any more, and the
shards' own limits end it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.supervisor.cycle import Stage
from reconciler.workload import Chunk

MOST_CRASHES = 2
"""A single item over which so many workers have died is guilty."""

MOST_DEATHS_IN_VAIN = 16
"""Halving a batch of thousands down to the guilty item takes fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrashVerdict:
    """What follows from a death: what is tried again, what is set aside, and who is to blame."""

    again: tuple[Chunk, ...]
    poisoned: tuple[Chunk, ...] = ()
    is_workers_fault: bool = True


class PoisonDetector:
    """Finds out, from one death after another."""

    def __init__(self) -> None:
        self._in_vain: Counter[Stage] = Counter()
        self._survived: set[Stage] = set()

    def record_survival(self, stage: Stage) -> None:
        """Take note that a worker got through this stage alive."""
        self._survived.add(stage)
        self._in_vain[stage] = 0

    def on_crash(
        self,
        chunks: Sequence[Chunk],
        *,
        shard: int,
        stage: Stage,
        is_alone: bool,
        has_others: bool,
        is_all: bool,
    ) -> CrashVerdict:
        """Say what follows from a death over these runs.

        Args:
            chunks: A batch that the worker was at work at.
            shard: Whose worker it was.
            stage: What it was doing with them.
            is_alone: It was at no other batch's work.
            has_others: Another shard could be tried.
            is_all: There is nothing else to do than these runs.
        """
        self._in_vain[stage] += 1
        if self._in_vain[stage] > MOST_DEATHS_IN_VAIN:
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
    """Return what to hand out of a run over which a worker has died."""
    if not to_blame:
        crashed_in = chunk.crashed_in | {shard}
        return [replace(chunk, crashes=max(1, chunk.crashes), crashed_in=crashed_in)]
    if len(chunk.items) == 1:
        return [replace(chunk, crashes=chunk.crashes + 1)]
    middle = len(chunk.items) // 2
    halves = (chunk.items[:middle], chunk.items[middle:])
    here = frozenset({shard})
    return [replace(chunk, items=half, crashes=1, crashed_in=here) for half in halves]
