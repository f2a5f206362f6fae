from math import log2

from hypothesis import given
from hypothesis import strategies as st

from reconciler.supervisor.cycle import Stage
from reconciler.supervisor.poison import MOST_DEATHS_IN_VAIN, CrashInquest, Finding
from reconciler.workload import Run

from .builders import Item


def a_run(size: int) -> Run:
    return Run(key="COIN", items=tuple(Item(number) for number in range(size)))


def death(
    inquest: CrashInquest,
    *runs: Run,
    shard: int = 0,
    has_others: bool = True,
    is_all: bool = False,
    is_alone: bool = True,
) -> Finding:
    return inquest.examine(
        runs,
        shard=shard,
        stage=Stage.EXAMINING,
        is_alone=is_alone,
        has_others=has_others,
        is_all=is_all,
    )


def proven() -> CrashInquest:
    inquest = CrashInquest()
    inquest.note_survival(Stage.EXAMINING)
    return inquest


def test_the_first_death_over_a_run_is_the_workers_fault_and_all_of_it_is_tried_again() -> None:
    finding = death(proven(), a_run(8))

    (again,) = finding.again
    assert len(again.items) == 8
    assert finding.is_workers_fault


def test_deaths_in_one_shard_alone_are_the_workers_fault_however_many() -> None:
    inquest = proven()
    (run,) = death(inquest, a_run(1)).again

    for _ in range(5):
        finding = death(inquest, run)
        (run,) = finding.again
        assert finding.is_workers_fault


def test_a_death_over_two_batches_at_once_is_laid_to_neither() -> None:
    inquest = proven()
    (run,) = death(inquest, a_run(8), shard=0).again

    finding = death(inquest, run, shard=1, is_alone=False)

    assert [len(whole.items) for whole in finding.again] == [8]
    assert finding.is_workers_fault


def test_a_death_in_another_shard_is_the_runs_fault() -> None:
    inquest = proven()
    (run,) = death(inquest, a_run(8), shard=0).again

    finding = death(inquest, run, shard=1)

    assert [len(half.items) for half in finding.again] == [4, 4]
    assert not finding.is_workers_fault


def test_where_there_is_no_other_shard_the_second_death_is_the_runs_fault() -> None:
    inquest = proven()
    (run,) = death(inquest, a_run(1), has_others=False).again

    finding = death(inquest, run, has_others=False)

    assert finding.guilty
    assert finding.again == ()


def test_nothing_is_set_aside_before_another_item_got_through_unless_there_is_no_other() -> None:
    inquest = CrashInquest()
    (run,) = death(inquest, a_run(1), shard=0).again

    assert death(inquest, run, shard=1).guilty == ()
    assert death(inquest, run, shard=1, is_all=True).guilty


def test_after_many_deaths_and_nobody_alive_it_is_not_the_runs() -> None:
    inquest = CrashInquest()
    (run,) = death(inquest, a_run(4096), shard=0).again
    for number in range(MOST_DEATHS_IN_VAIN):
        death(inquest, run, shard=number % 2)

    finding = death(inquest, run, shard=1)

    assert finding.again == (run,)
    assert finding.is_workers_fault


@given(size=st.integers(1, 3000), data=st.data())
def test_halving_finds_the_guilty_item_in_few_deaths(size: int, data: st.DataObject) -> None:
    guilty = Item(data.draw(st.integers(0, size - 1)))
    inquest = proven()
    run, deaths, innocent = a_run(size), 0, 0
    finding = Finding(again=())

    while not finding.guilty:
        finding = death(inquest, run, shard=deaths % 2)
        inquest.note_survival(Stage.EXAMINING)
        deaths += 1
        innocent += sum(len(part.items) for part in finding.again if guilty not in part.items)
        run = next((part for part in finding.again if guilty in part.items), run)

    assert [part.items for part in finding.guilty] == [(guilty,)]
    assert innocent == size - 1
    assert deaths <= log2(size) + 3
