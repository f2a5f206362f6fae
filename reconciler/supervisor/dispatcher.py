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
from reconciler.workload import Batch, Run


@dataclass(slots=True)
class _Queue:
    """One shard's runs by symbol; symbols in the order of their turn."""

    by_key: "OrderedDict[str, deque[_Queued]]" = field(default_factory=OrderedDict)
    items: int = 0

    def append(self, queued: "_Queued") -> None:
        self.by_key.setdefault(queued.run.key, deque()).append(queued)
        self.items += len(queued.run.items)

    def put_first(self, queued: "_Queued") -> None:
        self.by_key.setdefault(queued.run.key, deque()).appendleft(queued)
        self.by_key.move_to_end(queued.run.key, last=False)
        self.items += len(queued.run.items)

    def pop(self, key: str) -> "_Queued":
        runs = self.by_key[key]
        queued = runs.popleft()
        self.items -= len(queued.run.items)
        if not runs:
            del self.by_key[key]
        return queued

    def remove_key(self, key: str) -> "deque[_Queued]":
        runs = self.by_key.pop(key)
        self.items -= sum(len(queued.run.items) for queued in runs)
        return runs


@dataclass(frozen=True, slots=True)
class _Queued:
    """A run and the cycle that it belongs to."""

    cycle: int
    run: Run


@dataclass(slots=True)
class _Load:
    """What goes into one batch: short runs up to the batch size, and one longer one beside them.

    Nobody then waits for a batch of their own because of a handful of orders: the short runs are
    asked about and written along with the long one.
    """

    batch_size: int
    runs: list[_Queued] = field(default_factory=list)
    short_items: int = 0
    has_long: bool = False

    @property
    def is_full(self) -> bool:
        return self.short_items >= self.batch_size

    def admits(self, queued: _Queued) -> bool:
        if not self.runs:
            return True
        first = self.runs[0]
        if queued.cycle != first.cycle or queued.run.crashes or first.run.crashes:
            return False
        if self._is_long(queued):
            return not self.has_long
        return self.short_items + len(queued.run.items) <= self.batch_size

    def take(self, queued: _Queued) -> None:
        self.runs.append(queued)
        if self._is_long(queued):
            self.has_long = True
        else:
            self.short_items += len(queued.run.items)

    def _is_long(self, queued: _Queued) -> bool:
        return len(queued.run.items) > self.batch_size


class Dispatch:
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
        self._orphans = _Queue()
        self._in_hand: defaultdict[int, dict[int, Batch]] = defaultdict(dict)
        self._handed_at: dict[tuple[int, int], float] = {}
        self._hot: set[str] = set()
        self._numbers = count()
        self._monotonic = monotonic

    def rearrange(self, shards: int, *, parked: Collection[int] = ()) -> None:
        """Let so many shards share the work from now on, without those that are parked.

        What is queued goes to the shard whose it is now. At least one shard must be left.
        """
        self._table = assign_without(shards, parked)
        before = self._queues
        self._queues = {shard: _Queue() for shard in range(shards) if shard not in parked}
        for shard, queue in before.items():
            for key, runs in queue.by_key.items():
                own = shard if key in self._hot and shard in self._queues else self.owner_of(key)
                for queued in runs:
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
            for queue in (*self._queues.values(), self._orphans)
            for queued in queue.by_key.get(key, ())
            for item in queued.run.items
        )

    def holder_of(self, key: str, id_text: str) -> tuple[int, Batch] | None:
        """Return the shard whose worker has the item in hand, and the batch that it is in."""
        for shard, batches in self._in_hand.items():
            for batch in batches.values():
                runs = (run for run in batch.runs if run.key == key)
                if any(str(item.id) == id_text for run in runs for item in run.items):
                    return shard, batch
        return None

    def age_seconds(self, shard: int, batch: Batch) -> float:
        """Return for how long the shard's worker has had the batch in hand."""
        return self._monotonic() - self._handed_at[shard, batch.number]

    def items_by_key(self) -> Counter[str]:
        """Count the items that are queued or in hand, by key."""
        items = Counter[str]()
        for run in self._all_runs():
            items[run.key] += len(run.items)
        return items

    def queued_items(self, *, but: Collection[int] = ()) -> int:
        """Count the items that wait in the queues, but not in those of some shards."""
        own = sum(queue.items for shard, queue in self._queues.items() if shard not in but)
        return own + self._orphans.items

    def in_hand(self, shard: int) -> Collection[Batch]:
        """Return what the shard's worker has in hand, the oldest first."""
        return self._in_hand[shard].values()

    def cycle_of(self, shard: int, number: int) -> int:
        """Return the cycle of a batch in the worker's hand."""
        return self._in_hand[shard][number].cycle

    def ids_under_way(self) -> set[object]:
        """Return the ids of all items that are queued or in hand."""
        return {item.id for run in self._all_runs() for item in run.items}

    def add(self, runs: Sequence[Run], cycle: int) -> None:
        """Queue a page's runs with the shards of their symbols; deal out the hot symbols'."""
        serving = tuple(self._queues)
        self._hot |= _hot_keys(runs, len(serving))
        dealt = 0
        for run in runs:
            shard = self.owner_of(run.key)
            if run.key in self._hot:
                shard = serving[(serving.index(shard) + dealt) % len(serving)]
                dealt += 1
            self._queues[shard].append(_Queued(cycle, run))

    def hand_out(
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
        orphans = self._next_runs(self._orphans, busy, shunned)
        if not orphans and shuns_own_crashes and self._has_orphan_of(shard):
            return None  # Nor anything else: it must be free to take it if nobody else does.
        runs = orphans or self._next_runs(queue, busy)
        if not runs and self._take_over(queue, busy, blocked):
            runs = self._next_runs(queue, busy)
        if not runs:
            return None
        is_untimely = bool(only_of) and runs[0].cycle not in only_of
        if is_untimely or (runs[0].run.crashes and not takes_suspects):
            for queued in reversed(runs):
                (self._orphans if orphans else queue).put_first(queued)
            return None
        batch = Batch(
            number=next(self._numbers),
            cycle=runs[0].cycle,
            runs=tuple(queued.run for queued in runs),
        )
        self._in_hand[shard][batch.number] = batch
        self._handed_at[shard, batch.number] = self._monotonic()
        return batch

    def done(self, shard: int, number: int) -> Batch:
        """Take a batch out of the worker's hand; return what it was."""
        del self._handed_at[shard, number]
        return self._in_hand[shard].pop(number)

    def put_back(self, shard: int, runs: Iterable[Run], cycle: int) -> None:
        """Queue runs again, to be the first that this shard is handed, if it still serves."""
        for run in reversed(tuple(runs)):
            self._queue_of(shard, run.key).put_first(_Queued(cycle, run))

    def adopt(self, runs: Iterable[Run], cycle: int) -> None:
        """Queue what a dead worker had in hand: before all else, for whoever is idle first."""
        for run in runs:
            self._orphans.append(_Queued(cycle, run))

    def put_last(self, shard: int, runs: Iterable[Run], cycle: int) -> None:
        """Queue runs for their second try, behind everything else."""
        for run in runs:
            second = _Queued(cycle, replace(run, is_second_try=True))
            self._queue_of(shard, run.key).append(second)

    def drop_queued(self) -> Counter[int]:
        """Forget all that is queued, not what is in hand; return how many items of each cycle."""
        dropped = Counter[int]()
        for queued in self._all_queued():
            dropped[queued.cycle] += len(queued.run.items)
        self._queues = {shard: _Queue() for shard in self._queues}
        self._orphans = _Queue()
        return dropped

    def _has_orphan_of(self, shard: int) -> bool:
        return any(shard in runs[0].run.crashed_in for runs in self._orphans.by_key.values())

    def _queue_of(self, shard: int, key: str) -> _Queue:
        return self._queues[shard if shard in self._queues else self.owner_of(key)]

    def _next_runs(
        self, queue: _Queue, busy: Collection[str], shunned: int | None = None
    ) -> list[_Queued]:
        load = _Load(self.batch_size)
        for key in list(queue.by_key):
            if key in busy or shunned in queue.by_key[key][0].run.crashed_in:
                continue
            while (runs := queue.by_key.get(key)) and load.admits(runs[0]):
                load.take(queue.pop(key))
            if load.is_full:
                break
        return load.runs

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
            run.key
            for other, batches in self._in_hand.items()
            if other != shard
            for batch in batches.values()
            for run in batch.runs
        }

    def _all_runs(self) -> Iterator[Run]:
        yield from (queued.run for queued in self._all_queued())
        for batches in self._in_hand.values():
            yield from (run for batch in batches.values() for run in batch.runs)

    def _all_queued(self) -> Iterator[_Queued]:
        for queue in (*self._queues.values(), self._orphans):
            for runs in queue.by_key.values():
                yield from runs


def _hot_keys(runs: Sequence[Run], shards: int) -> set[str]:
    if shards == 1:
        return set()
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for run in runs:
        sizes[run.key] += len(run.items)
        counts[run.key] += 1
    share = sum(sizes.values()) / shards
    return {key for key, size in sizes.items() if size > share and counts[key] > 1}
