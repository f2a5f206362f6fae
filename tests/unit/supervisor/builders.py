"""Chunks with defaults; an item has only the id that the supervisor needs."""

from dataclasses import dataclass
from itertools import count

from reconciler.workload import Chunk

_ids = count()


@dataclass(frozen=True)
class Item:
    """One piece of work."""

    id: int


def a_chunk(key: str = "BTCUSDT", items: int = 1, *, crashes: int = 0) -> Chunk:
    """Make a chunk of new items."""
    return Chunk(key=key, items=tuple(Item(next(_ids)) for _ in range(items)), crashes=crashes)


def chunks_of(key: str, count: int, *, items: int = 1) -> list[Chunk]:
    """Make `count` chunks of one key."""
    return [a_chunk(key, items) for _ in range(count)]
