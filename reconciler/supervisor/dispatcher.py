"""Who works on what next. Pure bookkeeping: no process, no I/O.

Every shard has a queue of runs. A symbol's runs are all in one queue, and while one of them is in a
worker's hand the others of that symbol wait for the same worker, with two exceptions:

- A *hot* symbol, one with more than a shard's share of the page, is dealt out to all shards, run by
  run. Its runs are as long as a page of history, so that costs the exchange nothing more.
- An idle worker takes a whole symbol, of which nothing is in hand, from the longest queue.

So two workers are never on one order, nor on one symbol unless it is hot. That holds also when the
number of shards changes: what is queued goes to its new shard at once, but is handed out only when
the worker that has the symbol in hand has let go of it.

What a worker had in hand when it died comes before all else, to whoever is idle first. A run over
which it died goes alone, to a worker that is at nothing else: it takes no other with it a second
time.
"""

import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from reconciler.supervisor.sharding import assign_buckets, assign_without, bucket_of
from reconciler.workload import Batch, Chunk


@dataclass(slots=True)
class _Queue:
    """One shard's runs by symbol; symbols in the order of their turn."""

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
    """A run and the cycle that it belongs to."""

    cycle: int
    chunk: Chunk


@dataclass(slots=True)
class _BatchBuilder:
    """What goes into one batch: short runs up to the batch size, and one longer one beside them.

    Nobody then waits for a batch of their own because of a handful of orders: the short runs are
    asked about and written along with the long one.
    """

    batch_size: int
    chunks: list[_Queued] = field(default_factory=list)
    short_items: int = 0
    has_long: bool = False

    @property
    def is_full(self) -> bool:
        return self.short_items >= self.batch_size

    def admits(self, queued: _Queued) -> bool:
        if not self.chunks:
            return True
        first = self.chunks[0]
        if queued.cycle != first.cycle or queued.chunk.crashes or first.chunk.crashes:
            return False
        if self._is_long(queued):
            return not self.has_long
        return self.short_items + len(queued.chunk.items) <= self.batch_size

    def take(self, queued: _Queued) -> None:
        self.chunks.append(queued)
        if self._is_long(queued):
            self.has_long = True
        else:
            self.short_items += len(queued.chunk.items)

    def _is_long(self, queued: _Queued) -> bool:
        return len(queued.chunk.items) > self.batch_size


class Dispatcher:
    """The queues of all shards, and what each worker has in hand."""

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
        self._handed_at: dict[tuple[int, int], float] = {}
        self._hot: set[str] = set()
        self._numbers = count()
        self._monotonic = monotonic

    def rebalance(self, shards: int, *, parked: Collection[int] = ()) -> None:
        """Let so many shards share the work from now on, without those that are parked.

        What is queued goes to the shard whose it is now. At least one shard must be left.
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
        """Return the shard whose bucket the key is in."""
        return self._table[bucket_of(key)]

    def buckets_of(self, shard: int) -> int:
        """Count the shard's buckets."""
        return self._table.count(shard)

    def queued_for(self, shard: int) -> int:
        """Count the items that wait for a shard."""
        return self._queues[shard].items if shard in self._queues else 0

    def is_queued(self, key: str, id_text: str) -> bool:
        """Whether the item waits for some worker."""
        return any(
            str(item.id) == id_text
            for queue in (*self._queues.values(), self._recovered)
            for queued in queue.by_key.get(key, ())
            for item in queued.chunk.items
        )

    def in_flight_batch(self, key: str, id_text: str) -> tuple[int, Batch] | None:
        """Return the shard whose worker has the item in hand, and the batch that it is in."""
        for shard, batches in self._in_flight.items():
            for batch in batches.values():
                chunks = (chunk for chunk in batch.chunks if chunk.key == key)
                if any(str(item.id) == id_text for chunk in chunks for item in chunk.items):
                    return shard, batch
        return None

    def age_seconds(self, shard: int, batch: Batch) -> float:
        """Return for how long the shard's worker has had the batch in hand."""
        return self._monotonic() - self._handed_at[shard, batch.number]

    def items_by_key(self) -> Counter[str]:
        """Count the items that are queued or in hand, by key."""
        items = Counter[str]()
        for chunk in self._all_chunks():
            items[chunk.key] += len(chunk.items)
        return items

    def queued_items(self, *, but: Collection[int] = ()) -> int:
        """Count the items that wait in the queues, but not in those of some shards."""
        own = sum(queue.items for shard, queue in self._queues.items() if shard not in but)
        return own + self._recovered.items

    def in_flight(self, shard: int) -> Collection[Batch]:
        """Return what the shard's worker has in hand, the oldest first."""
        return self._in_flight[shard].values()

    def cycle_of(self, shard: int, number: int) -> int:
        """Return the cycle of a batch in the worker's hand."""
        return self._in_flight[shard][number].cycle

    def ids_under_way(self) -> set[object]:
        """Return the ids of all items that are queued or in hand."""
        return {item.id for chunk in self._all_chunks() for item in chunk.items}

    def add(self, chunks: Sequence[Chunk], cycle: int) -> None:
        """Queue a page's runs with the shards of their symbols; deal out the hot symbols'."""
        serving = tuple(self._queues)
        self._hot |= _hot_keys(chunks, len(serving))
        dealt = 0
        for chunk in chunks:
            shard = self.owner_of(chunk.key)
            if chunk.key in self._hot:
                shard = serving[(serving.index(shard) + dealt) % len(serving)]
                dealt += 1
            self._queues[shard].append(_Queued(cycle, chunk))

    def next_batch(
        self,
        shard: int,
        *,
        blocked: Collection[int] = (),
        shuns_own_crashes: bool = False,
        takes_suspects: bool = True,
        only_of: Collection[int] = (),
    ) -> Batch | None:
        """Return the next batch for a shard's idle worker, or None when there is nothing for it.

        It carries runs of one cycle: short ones up to the batch size, and one that is longer.
        Nothing is taken over from the `blocked` shards: what is in their workers' way is in
        everybody's. With `shuns_own_crashes` it is not handed again what its workers have died
        over. Unless it `takes_suspects` it gets nothing when it is the turn of what a worker has
        died over: then it soon will. Nor when it is the turn of another cycle than those that it
        gets `only_of`.
        """
        queue = self._queues[shard]
        busy = self._keys_in_other_hands(shard) - self._hot
        shunned = shard if shuns_own_crashes else None
        recovered = self._next_chunks(self._recovered, busy, shunned)
        if not recovered and shuns_own_crashes and self._has_recovered_of(shard):
            return None  # Nor anything else: it must be free to take it if nobody else does.
        chunks = recovered or self._next_chunks(queue, busy)
        if not chunks and self._take_over(queue, busy, blocked):
            chunks = self._next_chunks(queue, busy)
        if not chunks:
            return None
        is_untimely = bool(only_of) and chunks[0].cycle not in only_of
        if is_untimely or (chunks[0].chunk.crashes and not takes_suspects):
            for queued in reversed(chunks):
                (self._recovered if recovered else queue).put_first(queued)
            return None
        batch = Batch(
            number=next(self._numbers),
            cycle=chunks[0].cycle,
            chunks=tuple(queued.chunk for queued in chunks),
        )
        self._in_flight[shard][batch.number] = batch
        self._handed_at[shard, batch.number] = self._monotonic()
        return batch

    def done(self, shard: int, number: int) -> Batch:
        """Take a batch out of the worker's hand; return what it was."""
        del self._handed_at[shard, number]
        return self._in_flight[shard].pop(number)

    def requeue_front(self, shard: int, chunks: Iterable[Chunk], cycle: int) -> None:
        """Queue runs again, to be the first that this shard is handed, if it still serves."""
        for chunk in reversed(tuple(chunks)):
            self._queue_of(shard, chunk.key).put_first(_Queued(cycle, chunk))

    def requeue_urgent(self, chunks: Iterable[Chunk], cycle: int) -> None:
        """Queue what a dead worker had in hand: before all else, for whoever is idle first."""
        for chunk in chunks:
            self._recovered.append(_Queued(cycle, chunk))

    def requeue_back(self, shard: int, chunks: Iterable[Chunk], cycle: int) -> None:
        """Queue runs for their second try, behind everything else."""
        for chunk in chunks:
            second = _Queued(cycle, replace(chunk, is_second_try=True))
            self._queue_of(shard, chunk.key).append(second)

    def drop_queued(self) -> Counter[int]:
        """Forget all that is queued, not what is in hand; return how many items of each cycle."""
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

    def _next_chunks(
        self, queue: _Queue, busy: Collection[str], shunned: int | None = None
    ) -> list[_Queued]:
        builder = _BatchBuilder(self.batch_size)
        for key in list(queue.by_key):
            if key in busy or shunned in queue.by_key[key][0].chunk.crashed_in:
                continue
            while (chunks := queue.by_key.get(key)) and builder.admits(chunks[0]):
                builder.take(queue.pop(key))
            if builder.is_full:
                break
        return builder.chunks

    def _take_over(self, own: _Queue, busy: Collection[str], blocked: Collection[int]) -> bool:
        """Move a symbol from the longest queue that has one to spare to one's own.

        It is the one whose turn there is last. Returns whether there was any.
        """
        others = [
            queue
            for shard, queue in self._queues.items()
            if queue is not own and shard not in blocked
        ]
        for queue in sorted(others, key=lambda queue: queue.items, reverse=True):
            key = next((key for key in reversed(queue.by_key) if key not in busy), None)
            if key is not None:
                for queued in self._taken_from(queue, key):
                    own.append(queued)
                return True
        return False

    def _taken_from(self, queue: _Queue, key: str) -> Iterable[_Queued]:
        """Take a symbol's runs; of a hot one, a single run: the others go on as they are."""
        return [queue.pop(key)] if key in self._hot else queue.remove_key(key)

    def _keys_in_other_hands(self, shard: int) -> set[str]:
        return {
            chunk.key
            for other, batches in self._in_flight.items()
            if other != shard
            for batch in batches.values()
            for chunk in batch.chunks
        }

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
