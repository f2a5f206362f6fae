"""The queues of chunks, and the choice of each worker's next batch. No process, no I/O.

Every shard has a queue of chunks. The key of a chunk is its symbol. A symbol's chunks are all in
one queue, and while one of them is in flight the others wait for the same worker, with two
exceptions:

- A *hot* symbol has more than a shard's share of the page and is spread over all shards, chunk by
  chunk. Its chunks are as long as a page of history, so this costs few more requests.
- An available worker whose queue has nothing for it takes over a whole symbol from the longest
  queue, if none of its chunks is in flight.

So two workers never work on one order, nor on one symbol unless it is hot. This also holds when the
number of shards changes: queued chunks move to their new shard at once, but are assigned only when
the worker that has the symbol in flight has finished it.

A *recovered* chunk was in flight in a worker that has ended. Recovered chunks are in a queue of
their own, and are assigned before all others, to any available worker. A *suspect* is a chunk that
a worker was working at when it crashed, so `Chunk.crashes` is not 0. It is assigned alone, to a
worker that is idle, so that a second crash costs no other chunk. A recovered chunk is no suspect if
the worker was told to stop, or had prepared the chunk and not begun to commit it.
"""

import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, count

from reconciler.supervisor.sharding import assign_buckets, assign_without, bucket_of
from reconciler.workload import Batch, Chunk

MAX_SYMBOL_ITEMS = 5000
"""The most items of a long symbol in one batch, if they are more than one chunk. One list of open
orders answers for all of them: with a chunk a batch, it would be read again for each chunk."""

MAX_MISFITS = 20
"""Symbols that did not fit into a batch before it counts as full: there may be thousands more."""


@dataclass(slots=True)
class _Queue:
    """A queue of chunks by symbol. The symbols take turns, in this order."""

    by_key: "OrderedDict[str, deque[_Queued]]" = field(default_factory=OrderedDict)
    items: int = 0

    def append(self, queued: "_Queued") -> None:
        self.by_key.setdefault(queued.chunk.key, deque()).append(queued)
        self.items += len(queued.chunk.items)

    def put_first(self, queued: "_Queued") -> None:
        self.by_key.setdefault(queued.chunk.key, deque()).appendleft(queued)
        self.by_key.move_to_end(queued.chunk.key, last=False)
        self.items += len(queued.chunk.items)

    def pop(self, key: str) -> "_Queued":
        chunks = self.by_key[key]
        queued = chunks.popleft()
        self.items -= len(queued.chunk.items)
        if not chunks:
            del self.by_key[key]
        return queued

    def remove_key(self, key: str) -> "deque[_Queued]":
        chunks = self.by_key.pop(key)
        self.items -= sum(len(queued.chunk.items) for queued in chunks)
        return chunks


@dataclass(frozen=True, slots=True)
class _Queued:
    """A chunk and the cycle that it belongs to."""

    cycle: int
    chunk: Chunk


@dataclass(slots=True)
class _BatchBuilder:
    """Collects a batch: short chunks up to the batch size, and at most one long symbol.

    A symbol is long if its first chunk in the batch is longer than the batch size; its other chunks
    go along, up to `MAX_SYMBOL_ITEMS`. Thus a few orders need no batch of their own: they are
    requested and written along with the long symbol.
    """

    batch_size: int
    chunks: list[_Queued] = field(default_factory=list)
    short_items: int = 0
    long_key: str | None = None
    long_items: int = 0

    @property
    def is_full(self) -> bool:
        return self.short_items >= self.batch_size

    def admits(self, queued: _Queued) -> bool:
        if not self.chunks:
            return True
        first = self.chunks[0]
        if queued.cycle != first.cycle or queued.chunk.crashes or first.chunk.crashes:
            return False
        items = len(queued.chunk.items)
        if queued.chunk.key == self.long_key:
            return self.long_items + items <= MAX_SYMBOL_ITEMS
        if items > self.batch_size:
            return self.long_key is None
        return self.short_items + items <= self.batch_size

    def take(self, queued: _Queued) -> None:
        self.chunks.append(queued)
        items = len(queued.chunk.items)
        if self.long_key is None and items > self.batch_size:
            self.long_key = queued.chunk.key
        if queued.chunk.key == self.long_key:
            self.long_items += items
        else:
            self.short_items += items


@dataclass(frozen=True, kw_only=True, slots=True)
class Eligibility:
    """The limits of what a shard's available worker may be assigned now.

    Attributes:
        blocked_shards: Shards to take over nothing from: the fault that blocks their workers would
            block this one too.
        may_take_suspects: True if the worker is idle, so it may get a suspect.
        skips_own_crashes: True if chunks that crashed this shard's workers are left to another
            shard.
        cycles: The cycles that the worker is restricted to. Empty means no restriction.
    """

    blocked_shards: Collection[int] = ()
    may_take_suspects: bool = True
    skips_own_crashes: bool = False
    cycles: Collection[int] = ()

    def allows(self, *, cycle: int, chunk: Chunk) -> bool:
        """Return True if a batch may begin with this chunk now."""
        is_of_allowed_cycle = not self.cycles or cycle in self.cycles
        return is_of_allowed_cycle and (self.may_take_suspects or not chunk.crashes)


ANYTHING = Eligibility()


class Dispatcher:
    """The queues of all shards, and what each worker has in flight."""

    def __init__(
        self,
        shards: int,
        *,
        batch_size: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batch_size = batch_size
        self._table = assign_buckets(shards)
        self._queues = {shard: _Queue() for shard in range(shards)}
        self._recovered = _Queue()
        self._in_flight: defaultdict[int, dict[int, Batch]] = defaultdict(dict)
        self._shards_by_key: defaultdict[str, Counter[int]] = defaultdict(Counter)
        """The shards that have chunks of a key in flight, each with their number."""
        self._assigned_at: dict[tuple[int, int], float] = {}
        self._hot: set[str] = set()
        self._numbers = count()
        self._monotonic = monotonic

    def rebalance(self, shards: int, *, parked: Collection[int] = ()) -> None:
        """Share the work among `shards` shards without the parked ones. At least one must be left.

        Queued chunks move to the shard that they belong to now.
        """
        self._table = assign_without(shards, parked)
        before = self._queues
        self._queues = {shard: _Queue() for shard in range(shards) if shard not in parked}
        for shard, queue in before.items():
            for key, chunks in queue.by_key.items():
                own = shard if key in self._hot and shard in self._queues else self.owner_of(key)
                for queued in chunks:
                    self._queues[own].append(queued)

    @property
    def serving(self) -> Collection[int]:
        """The shards that share the work."""
        return self._queues.keys()

    def owner_of(self, key: str) -> int:
        """Return the shard that the symbol's bucket belongs to."""
        return self._table[bucket_of(key)]

    def buckets_of(self, shard: int) -> int:
        """Count the shard's buckets."""
        return self._table.count(shard)

    def queued_for(self, shard: int) -> int:
        """Count the items that wait for a shard."""
        return self._queues[shard].items if shard in self._queues else 0

    def is_queued(self, key: str, id_text: str) -> bool:
        """Return True if the item waits for a worker."""
        return any(
            str(item.id) == id_text
            for queue in (*self._queues.values(), self._recovered)
            for queued in queue.by_key.get(key, ())
            for item in queued.chunk.items
        )

    def in_flight_batch(self, key: str, id_text: str) -> tuple[int, Batch] | None:
        """Return the shard whose worker has the item in flight, and the batch that it is in."""
        for shard, batches in self._in_flight.items():
            for batch in batches.values():
                chunks = (chunk for chunk in batch.chunks if chunk.key == key)
                if any(str(item.id) == id_text for chunk in chunks for item in chunk.items):
                    return shard, batch
        return None

    def age_seconds(self, shard: int, batch: Batch) -> float:
        """Return for how long the batch has been in flight."""
        return self._monotonic() - self._assigned_at[shard, batch.number]

    def items_by_key(self) -> Counter[str]:
        """Count the items that are queued or in flight, by key."""
        items = Counter[str]()
        for chunk in self._all_chunks():
            items[chunk.key] += len(chunk.items)
        return items

    def queued_items(self, *, but: Collection[int] = ()) -> int:
        """Count the queued items, without those of the shards in `but`."""
        own = sum(queue.items for shard, queue in self._queues.items() if shard not in but)
        return own + self._recovered.items

    def in_flight(self, shard: int) -> Collection[Batch]:
        """Return the batches that the shard's worker has in flight, the oldest first."""
        return self._in_flight[shard].values()

    def cycle_of(self, shard: int, number: int) -> int:
        """Return the cycle of a batch that is in flight."""
        return self._in_flight[shard][number].cycle

    def ids_under_way(self) -> set[object]:
        """Return the ids of all items that are queued or in flight."""
        return set(chain.from_iterable(chunk.ids for chunk in self._all_chunks()))

    def add(self, chunks: Sequence[Chunk], cycle: int) -> None:
        """Queue chunks with the shards of their symbols; spread those of hot symbols."""
        serving = tuple(self._queues)
        self._hot |= _hot_keys(chunks, len(serving))
        spread = 0
        for chunk in chunks:
            shard = self.owner_of(chunk.key)
            if chunk.key in self._hot:
                shard = serving[(serving.index(shard) + spread) % len(serving)]
                spread += 1
            self._queues[shard].append(_Queued(cycle, chunk))

    def next_batch(self, shard: int, eligibility: Eligibility = ANYTHING) -> Batch | None:
        """Return the next batch for a shard's available worker; None if there is nothing for it.

        A batch has chunks of one cycle: short ones up to the batch size, and those of one long
        symbol. If the chunks at the head are not eligible yet, return None rather than skip them:
        they soon will be.
        """
        queue, chunks = self._take_next(shard, eligibility)
        if not chunks:
            return None
        first = chunks[0]
        if not eligibility.allows(cycle=first.cycle, chunk=first.chunk):
            for queued in reversed(chunks):
                queue.put_first(queued)
            return None
        batch = Batch(
            number=next(self._numbers),
            cycle=first.cycle,
            chunks=tuple(queued.chunk for queued in chunks),
        )
        self._in_flight[shard][batch.number] = batch
        for chunk in batch.chunks:
            self._shards_by_key[chunk.key][shard] += 1
        self._assigned_at[shard, batch.number] = self._monotonic()
        return batch

    def _take_next(self, shard: int, eligibility: Eligibility) -> tuple[_Queue, list[_Queued]]:
        """Take a batch of recovered chunks, else of the shard's own, else of another shard's.

        Returns the queue that the chunks come from, and the chunks, if there are any.
        """
        own = self._queues[shard]
        is_busy = partial(self._is_busy_elsewhere, shard)
        avoided_shard = shard if eligibility.skips_own_crashes else None
        if chunks := self._take_chunks(self._recovered, is_busy, avoided_shard):
            return self._recovered, chunks
        if eligibility.skips_own_crashes and self._has_recovered_of(shard):
            return own, []  # This worker must stay free, in case no other shard takes them.
        chunks = self._take_chunks(own, is_busy)
        if not chunks and self._take_over(own, is_busy, eligibility.blocked_shards):
            chunks = self._take_chunks(own, is_busy)
        return own, chunks

    def done(self, shard: int, number: int) -> Batch:
        """Remove a batch from the batches in flight, and return it."""
        del self._assigned_at[shard, number]
        batch = self._in_flight[shard].pop(number)
        for chunk in batch.chunks:
            shards = self._shards_by_key[chunk.key]
            shards[shard] -= 1
            if not shards[shard]:
                del shards[shard]
            if not shards:
                del self._shards_by_key[chunk.key]
        return batch

    def requeue_front(self, shard: int, chunks: Iterable[Chunk], cycle: int) -> None:
        """Requeue chunks at the head of this shard's queue, or of their owner's if it has none."""
        for chunk in reversed(tuple(chunks)):
            self._queue_of(shard, chunk.key).put_first(_Queued(cycle, chunk))

    def requeue_urgent(self, chunks: Iterable[Chunk], cycle: int) -> None:
        """Queue recovered chunks. They are assigned before all others, to any available worker."""
        for chunk in chunks:
            self._recovered.append(_Queued(cycle, chunk))

    def requeue_back(self, shard: int, chunks: Iterable[Chunk], cycle: int) -> None:
        """Requeue chunks for their second try, at the end of the queue."""
        for chunk in chunks:
            second = _Queued(cycle, replace(chunk, is_second_try=True))
            self._queue_of(shard, chunk.key).append(second)

    def drop_queued(self) -> Counter[int]:
        """Forget the queued chunks; return the number of their items by cycle.

        Batches in flight go on.
        """
        dropped = Counter[int]()
        for queued in self._all_queued():
            dropped[queued.cycle] += len(queued.chunk.items)
        self._queues = {shard: _Queue() for shard in self._queues}
        self._recovered = _Queue()
        return dropped

    def _has_recovered_of(self, shard: int) -> bool:
        return any(
            shard in chunks[0].chunk.crashed_in for chunks in self._recovered.by_key.values()
        )

    def _queue_of(self, shard: int, key: str) -> _Queue:
        return self._queues[shard if shard in self._queues else self.owner_of(key)]

    def _take_chunks(
        self, queue: _Queue, is_busy: Callable[[str], bool], avoided_shard: int | None = None
    ) -> list[_Queued]:
        """Take a batch's chunks out of a queue, without the symbols that are busy elsewhere.

        Chunks that crashed a worker of `avoided_shard` stay in the queue as well.
        """
        builder = _BatchBuilder(self.batch_size)
        misfits = 0
        for key in list(queue.by_key):
            if is_busy(key) or avoided_shard in queue.by_key[key][0].chunk.crashed_in:
                continue
            while (chunks := queue.by_key.get(key)) and builder.admits(chunks[0]):
                builder.take(queue.pop(key))
            misfits += key in queue.by_key
            if builder.is_full or misfits == MAX_MISFITS:
                break
        return builder.chunks

    def _take_over(
        self, own: _Queue, is_busy: Callable[[str], bool], blocked: Collection[int]
    ) -> bool:
        """Move a symbol to this queue from the longest other queue that has a free one.

        Takes the symbol whose turn comes last there. Returns False if no queue has any.
        """
        others = [
            queue
            for shard, queue in self._queues.items()
            if queue is not own and shard not in blocked
        ]
        for queue in sorted(others, key=lambda queue: queue.items, reverse=True):
            key = next((key for key in reversed(queue.by_key) if not is_busy(key)), None)
            if key is not None:
                for queued in self._remove_symbol(queue, key):
                    own.append(queued)
                return True
        return False

    def _remove_symbol(self, queue: _Queue, key: str) -> Iterable[_Queued]:
        """Remove a symbol's chunks from a queue; of a hot symbol, remove only one chunk."""
        return [queue.pop(key)] if key in self._hot else queue.remove_key(key)

    def _is_busy_elsewhere(self, shard: int, key: str) -> bool:
        """Return True if another shard has the key in flight and it is not hot."""
        shards = self._shards_by_key.get(key, ())
        return key not in self._hot and any(other != shard for other in shards)

    def _all_chunks(self) -> Iterator[Chunk]:
        yield from (queued.chunk for queued in self._all_queued())
        for batches in self._in_flight.values():
            yield from (chunk for batch in batches.values() for chunk in batch.chunks)

    def _all_queued(self) -> Iterator[_Queued]:
        for queue in (*self._queues.values(), self._recovered):
            for chunks in queue.by_key.values():
                yield from chunks


def _hot_keys(chunks: Sequence[Chunk], shards: int) -> set[str]:
    if shards == 1:
        return set()
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for chunk in chunks:
        sizes[chunk.key] += len(chunk.items)
        counts[chunk.key] += 1
    share = sum(sizes.values()) / shards
    return {key for key, size in sizes.items() if size > share and counts[key] > 1}
