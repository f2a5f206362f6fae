"""Runs and batches with defaults; an item has nothing but the id that the supervisor asks for."""

from dataclasses import dataclass
from itertools import count

from reconciler.workload import Chunk

_ids = count()


@dataclass(frozen=True)
class Item:
    """One piece of work."""

    id: int


def a_run(key: str = "BTCUSDT", items: int = 1, *, crashes: int = 0) -> Chunk:
    """Make a run of new items."""
    return Chunk(key=key, items=tuple(Item(next(_ids)) for _ in range(items)), crashes=crashes)


def runs_of(key: str, count: int, *, items: int = 1) -> list[Chunk]:
    """Make some runs of one key."""
    return [a_run(key, items) for _ in range(count)]
