from math import log2

from hypothesis import given
from hypothesis import strategies as st

from reconciler.supervisor.cycle import BatchStage
from reconciler.supervisor.poison import MOST_DEATHS_WITHOUT_RESULT, CrashVerdict, PoisonDetector
from reconciler.workload import Chunk

from .builders import Item


def a_chunk(size: int) -> Chunk:
    return Chunk(key="COIN", items=tuple(Item(number) for number in range(size)))


def death(
    detector: PoisonDetector,
    *chunks: Chunk,
    shard: int = 0,
    has_others: bool = True,
    is_all: bool = False,
    is_alone: bool = True,
) -> CrashVerdict:
    return detector.on_crash(
        chunks,
        shard=shard,
        stage=BatchStage.PREPARING,
        is_alone=is_alone,
        has_others=has_others,
        is_all=is_all,
    )


def proven() -> PoisonDetector:
    detector = PoisonDetector()
    detector.record_survival(BatchStage.PREPARING)
    return detector


def test_the_first_death_is_the_workers_fault() -> None:
    verdict = death(proven(), a_chunk(8))

    (again,) = verdict.again
    assert len(again.items) == 8
    assert verdict.is_worker_to_blame


def test_deaths_in_one_shard_alone_are_the_workers_fault() -> None:
    detector = proven()
    (chunk,) = death(detector, a_chunk(1)).again

    for _ in range(5):
        verdict = death(detector, chunk)
        (chunk,) = verdict.again
        assert verdict.is_worker_to_blame


def test_a_death_with_two_batches_is_attributed_to_neither() -> None:
    detector = proven()
    (chunk,) = death(detector, a_chunk(8), shard=0).again

    verdict = death(detector, chunk, shard=1, is_alone=False)

    assert [len(whole.items) for whole in verdict.again] == [8]
    assert verdict.is_worker_to_blame


def test_a_second_death_in_another_shard_is_the_chunks_fault() -> None:
    detector = proven()
    (chunk,) = death(detector, a_chunk(8), shard=0).again

    verdict = death(detector, chunk, shard=1)

    assert [len(half.items) for half in verdict.again] == [4, 4]
    assert not verdict.is_worker_to_blame


def test_without_another_shard_a_second_death_is_the_chunks_fault() -> None:
    detector = proven()
    (chunk,) = death(detector, a_chunk(1), has_others=False).again

    verdict = death(detector, chunk, has_others=False)

    assert verdict.poisoned
    assert verdict.again == ()


def test_nothing_is_set_aside_before_a_worker_has_survived() -> None:
    detector = PoisonDetector()
    (chunk,) = death(detector, a_chunk(1), shard=0).again

    assert death(detector, chunk, shard=1).poisoned == ()
    assert death(detector, chunk, shard=1, is_all=True).poisoned


def test_many_deaths_without_a_survivor_are_the_workers_fault() -> None:
    detector = PoisonDetector()
    (chunk,) = death(detector, a_chunk(4096), shard=0).again
    for number in range(MOST_DEATHS_WITHOUT_RESULT):
        death(detector, chunk, shard=number % 2)

    verdict = death(detector, chunk, shard=1)

    assert verdict.again == (chunk,)
    assert verdict.is_worker_to_blame


@given(size=st.integers(1, 3000), data=st.data())
def test_halving_finds_the_poisoned_item_in_few_deaths(size: int, data: st.DataObject) -> None:
    poisoned = Item(data.draw(st.integers(0, size - 1)))
    detector = proven()
    chunk, deaths, innocent = a_chunk(size), 0, 0
    verdict = CrashVerdict(again=())

    while not verdict.poisoned:
        verdict = death(detector, chunk, shard=deaths % 2)
        detector.record_survival(BatchStage.PREPARING)
        deaths += 1
        innocent += sum(len(part.items) for part in verdict.again if poisoned not in part.items)
        chunk = next((part for part in verdict.again if poisoned in part.items), chunk)

    assert [part.items for part in verdict.poisoned] == [(poisoned,)]
    assert innocent == size - 1
    assert deaths <= log2(size) + 3
