"""A search for an order of events that loses a chunk, doubles one, or assigns it twice.

Pages arrive, workers take, finish, fail and die in any order. At the end everything is done.
"""

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.supervisor.dispatcher import Dispatcher, Eligibility
from reconciler.workload import Batch, Chunk

from .builders import a_chunk

KEYS = [f"COIN{number}" for number in range(6)]
SHARDS = st.integers(0, 63)
MOST_IN_FLIGHT = 3


class DispatcherMachine(RuleBasedStateMachine):
    """The dispatcher, and a plain account of what was queued and what it assigned."""

    @initialize(shards=st.integers(1, 6), batch_size=st.integers(1, 12))
    def open(self, shards: int, batch_size: int) -> None:
        self.dispatcher = Dispatcher(shards, batch_size=batch_size)
        self.shards = shards
        self.batch_size = batch_size
        self.cycle = 0
        self.in_flight: dict[int, list[Batch]] = {shard: [] for shard in range(shards)}
        self.has_recovered = False
        self.left: Counter[object] = Counter()
        self.hot: set[str] = set()

    @rule(sizes=st.lists(st.tuples(st.sampled_from(KEYS), st.integers(1, 15)), max_size=8))
    def plan_a_page(self, sizes: list[tuple[str, int]]) -> None:
        chunks = [a_chunk(key, items) for key, items in sizes]
        self.cycle += 1
        self.dispatcher.add(chunks, self.cycle)
        self.left.update(ids_of(chunks))
        self.hot |= self._hot_of(chunks)

    def _hot_of(self, chunks: list[Chunk]) -> set[str]:
        sizes = Counter(key for chunk in chunks for key in [chunk.key] * len(chunk.items))
        return {key for key, size in sizes.items() if size * self.shards > sizes.total()}

    @rule(number=SHARDS, blocked=st.frozensets(st.integers(0, 5)))
    def take(self, number: int, blocked: frozenset[int] = frozenset()) -> None:
        shard = number % self.shards
        if len(self.in_flight[shard]) == MOST_IN_FLIGHT:
            return
        others = [
            chunk
            for other, batches in self.in_flight.items()
            if other != shard
            for batch in batches
            for chunk in batch.chunks
        ]
        before = self.dispatcher.queued_items(but={*range(self.shards)} - blocked)

        batch = self.dispatcher.next_batch(shard, Eligibility(blocked_shards=blocked - {shard}))

        if batch is None:
            assert blocked or any(self.in_flight.values()) or not self.left, "work waits, idle"
            return
        kept = self.dispatcher.queued_items(but={*range(self.shards)} - blocked)
        assert shard in blocked or self.has_recovered or kept == before
        assert (
            not {chunk.key for chunk in batch.chunks} & {chunk.key for chunk in others} - self.hot
        )
        assert not set(ids_of(batch.chunks)) & set(ids_of(others))
        long = {chunk.key for chunk in batch.chunks if len(chunk.items) > self.batch_size}
        short = [len(chunk.items) for chunk in batch.chunks if chunk.key not in long]
        assert len(long) <= 1
        assert sum(short) <= self.batch_size
        assert len(batch.chunks) == 1 or not any(chunk.crashes for chunk in batch.chunks)
        self.in_flight[shard].append(batch)

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(number=SHARDS)
    def finish(self, number: int) -> None:
        shard, batch = self._give_back(number)
        self.left -= Counter(ids_of(self.dispatcher.done(shard, batch.number).chunks))
        assert not set(ids_of(batch.chunks)) & set(self.left)

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(number=SHARDS)
    def die(self, number: int) -> None:
        shard = self._busy(number)
        batches, self.in_flight[shard] = self.in_flight[shard], []
        for batch in batches:
            assert self.dispatcher.done(shard, batch.number) == batch
            self.dispatcher.requeue_urgent(
                (replace(chunk, crashes=1) for chunk in batch.chunks), batch.cycle
            )
            self.has_recovered = True

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(number=SHARDS)
    def meet_a_fault(self, number: int) -> None:
        shard, batch = self._give_back(number)
        self.dispatcher.done(shard, batch.number)
        self.dispatcher.requeue_front(shard, batch.chunks, batch.cycle)

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(number=SHARDS)
    def find_locked(self, number: int) -> None:
        shard, batch = self._give_back(number)
        self.dispatcher.done(shard, batch.number)
        self.dispatcher.requeue_back(shard, batch.chunks, batch.cycle)

    def _busy(self, number: int) -> int:
        busy = [shard for shard, batches in sorted(self.in_flight.items()) if batches]
        return busy[number % len(busy)]

    def _give_back(self, number: int) -> tuple[int, Batch]:
        shard = self._busy(number)
        batches = self.in_flight[shard]
        return shard, batches.pop(number % len(batches))

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "dispatcher"):
            return
        in_flight = sum(batch.size for batches in self.in_flight.values() for batch in batches)
        for shard, batches in self.in_flight.items():
            assert [*self.dispatcher.in_flight(shard)] == batches
        assert self.dispatcher.ids_under_way() == set(self.left)
        assert self.dispatcher.queued_items() + in_flight == self.left.total()

    def teardown(self) -> None:
        """Finish all batches: in a bounded number of turns everything is done."""
        if not hasattr(self, "dispatcher"):
            return
        for turn in range(self.left.total() * self.shards + self.shards):
            self.take(turn)
            if any(self.in_flight.values()):
                self.finish(turn)
        assert not self.left
        assert self.dispatcher.queued_items() == 0


def ids_of(chunks: "list[Chunk] | tuple[Chunk, ...]") -> list[object]:
    return [item.id for chunk in chunks for item in chunk.items]


TestDispatcherMachine = DispatcherMachine.TestCase
TestDispatcherMachine.settings = settings(
    max_examples=80,
    stateful_step_count=50,
    suppress_health_check=[HealthCheck.too_slow],
)
