"""A source is asked again as soon as its work and its kind of answer allow."""

import pytest

from reconciler.console.source import LONGEST_REST_SECONDS, MOST_BUSY_SHARE, LastAnswer, Source
from reconciler.errors import StoreUnavailable
from tests.fakes import FakeClock


@pytest.mark.parametrize(
    ("works", "rests", "asked_again_after"),
    [
        (2.0, 0.0, 2 / MOST_BUSY_SHARE),
        (60.0, 0.0, 60 + LONGEST_REST_SECONDS),
        (0.1, 5.0, 5.0),
    ],
    ids=["slow", "very slow", "one that costs others something"],
)
def test_source_rests_after_an_answer(works: float, rests: float, asked_again_after: float) -> None:
    clock = FakeClock()
    answers: list[int] = []

    def ask() -> int:
        clock.now += works
        answers.append(len(answers))
        return answers[-1]

    source = Source(ask, lambda _: rests, monotonic=clock)
    began = clock.now
    unasked: LastAnswer[int] = LastAnswer()
    last = source.next(unasked)
    clock.now = began + asked_again_after - 0.5
    source.next(last)
    asked_while_it_rests = len(answers)
    clock.now = began + asked_again_after
    source.next(last)

    assert last.value == 0
    assert asked_while_it_rests == 1
    assert answers == [0, 1]


def test_quick_source_is_asked_as_often_as_it_may_be() -> None:
    source = Source(iter("ab").__next__, monotonic=FakeClock())

    first = source.next(LastAnswer(value="-"))

    assert (first.value, source.next(first).value) == ("a", "b")


def test_source_that_is_away_keeps_its_last_answer_and_is_asked_at_once() -> None:
    asked: list[None] = []

    def ask() -> int:
        asked.append(None)
        raise StoreUnavailable("away")

    source = Source(ask, lambda _: 3600.0, monotonic=FakeClock())
    last = source.next(source.next(LastAnswer(value=7)))

    assert (last.value, last.fault, len(asked)) == (7, "away", 2)
