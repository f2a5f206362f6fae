"""Who works on what next. Pure bookkeeping: no process, no clock, no I/O.

Every shard has a queue of runs. A symbol's runs are all in one queue, and while one of them is in a
worker's hand the others of that symbol wait for the same worker, with two exceptions:

- A *hot* symbol, one with more than a shard's share of the page, is dealt out to all shards, run by
  run. Its runs are as long as a page of history, so that costs the exchange nothing more.
- An idle worker takes a whole symbol, of which nothing is in hand, from the longest queue.

So two workers are never on one order, nor on one symbol unless it is hot.

What a worker had in hand when it died comes before all else, to whoever is idle first. A run over
which it died goes alone: it takes no other with it a second time. If it kills again it is halved,
again and again, until the guilty item is alone.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from reconciler.supervisor.shards import assign_buckets, bucket_of
from reconciler.worker.workload import Batch, Run


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


class Dispatch:
    """The queues of all shards, and what each worker has in hand."""

    def __init__(self, shards: int, *, batch_size: int) -> None:
        self._shards = shards
        self._batch_size = batch_size
        self._table = assign_buckets(shards)
        self._queues = [_Queue() for _ in range(shards)]
        self._orphans = _Queue()
        self._in_hand: dict[int, dict[int, Batch]] = {shard: {} for shard in range(shards)}
        self._hot: set[str] = set()
        self._numbers = count()

    def queued_items(self, *, but: Collection[int] = ()) -> int:
        """Count the items that wait in the queues, but not in those of some shards."""
        own = sum(queue.items for shard, queue in enumerate(self._queues) if shard not in but)
        return own + self._orphans.items

    def in_hand(self, shard: int) -> Collection[Batch]:
        """Return what the shard's worker has in hand, the oldest first."""
        return self._in_hand[shard].values()

    def cycle_of(self, shard: int, number: int) -> int:
        """Return the cycle of a batch in the worker's hand."""
        return self._in_hand[shard][number].cycle

    def ids_under_way(self) -> set[object]:
        """Return the ids of all items that are queued or in hand."""
        waiting = (
            queued.run
            for queue in (*self._queues, self._orphans)
            for runs in queue.by_key.values()
            for queued in runs
        )
        held = (run for batch in self._all_in_hand() for run in batch.runs)
        return {item.id for runs in (waiting, held) for run in runs for item in run.items}

    def add(self, runs: Sequence[Run], cycle: int) -> None:
        """Queue a page's runs with the shards of their symbols; deal out the hot symbols'."""
        self._hot |= _hot_keys(runs, self._shards)
        dealt = 0
        for run in runs:
            shard = self._table[bucket_of(run.key)]
            if run.key in self._hot:
                shard = (shard + dealt) % self._shards
                dealt += 1
            self._queues[shard].append(_Queued(cycle, run))

    def hand_out(self, shard: int, *, blocked: Collection[int] = ()) -> Batch | None:
        """Return the next batch for a shard's idle worker, or None when there is nothing for it.

        It carries runs of one cycle up to the batch size; a single run may be longer. Nothing is
        taken over from the `blocked` shards: what is in their workers' way is in everybody's.
        """
        queue = self._queues[shard]
        busy = self._keys_in_other_hands(shard) - self._hot
        runs = self._next_runs(self._orphans, busy) or self._next_runs(queue, busy)
        if not runs and self._take_over(queue, busy, blocked):
            runs = self._next_runs(queue, busy)
        if not runs:
            return None
        batch = Batch(
            number=next(self._numbers),
            cycle=runs[0].cycle,
            runs=tuple(queued.run for queued in runs),
        )
        self._in_hand[shard][batch.number] = batch
        return batch

    def done(self, shard: int, number: int) -> Batch:
        """Take a batch out of the worker's hand; return what it was."""
        return self._in_hand[shard].pop(number)

    def put_back(self, shard: int, runs: Iterable[Run], cycle: int) -> None:
        """Queue runs again, to be the first that this shard is handed."""
        for run in reversed(tuple(runs)):
            self._queues[shard].put_first(_Queued(cycle, run))

    def adopt(self, runs: Iterable[Run], cycle: int) -> None:
        """Queue what a dead worker had in hand: before all else, for whoever is idle first."""
        for run in runs:
            self._orphans.append(_Queued(cycle, run))

    def put_last(self, shard: int, runs: Iterable[Run], cycle: int) -> None:
        """Queue runs for their second try, behind everything else."""
        for run in runs:
            self._queues[shard].append(_Queued(cycle, replace(run, is_second_try=True)))

    def drop_queued(self) -> Counter[int]:
        """Forget all that is queued, not what is in hand; return how many items of each cycle."""
        dropped = Counter[int]()
        for queue in (*self._queues, self._orphans):
            for runs in queue.by_key.values():
                for queued in runs:
                    dropped[queued.cycle] += len(queued.run.items)
        self._queues = [_Queue() for _ in range(self._shards)]
        self._orphans = _Queue()
        return dropped

    def _next_runs(self, queue: _Queue, busy: Collection[str]) -> list[_Queued]:
        taken: list[_Queued] = []
        room = self._batch_size
        for key in list(queue.by_key):
            if key in busy:
                continue
            while (runs := queue.by_key.get(key)) and (not taken or _fits(runs[0], taken, room)):
                taken.append(queue.pop(key))
                room -= len(taken[-1].run.items)
            if room <= 0:
                break
        return taken

    def _take_over(self, own: _Queue, busy: Collection[str], blocked: Collection[int]) -> bool:
        """Move a symbol from the longest queue that has one to spare to one's own.

        It is the one whose turn there is last. Returns whether there was any.
        """
        others = [
            queue
            for shard, queue in enumerate(self._queues)
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

    def _all_in_hand(self) -> Iterator[Batch]:
        return (batch for batches in self._in_hand.values() for batch in batches.values())


def _fits(queued: _Queued, taken: list[_Queued], room: int) -> bool:
    return (
        len(queued.run.items) <= room
        and queued.cycle == taken[0].cycle
        and queued.run.crashes == taken[0].run.crashes == 0
    )


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


def after_crash(run: Run) -> list[Run]:
    """Return what to hand out of a run over which a worker has died.

    The first time all of it: the worker may have been killed for reasons of its own. Then halves,
    until the item is alone that is to blame; it comes back as it is, with its crashes counted.
    """
    crashes = run.crashes + 1
    if crashes == 1 or len(run.items) == 1:
        return [replace(run, crashes=crashes)]
    middle = len(run.items) // 2
    return [
        replace(run, items=half, crashes=1) for half in (run.items[:middle], run.items[middle:])
    ]
