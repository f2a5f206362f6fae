"""Statuses are translated both ways so that what was written is read as what was meant."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config_file.statuses import OPEN_MEANING, Meaning, Statuses
from reconciler.domain.status import TERMINAL, Status

from .contents import read

WORDS = st.sampled_from(["A", "b", "C c", "100", "-1", "é"])
MEANINGS: st.SearchStrategy[Meaning] = st.sampled_from([*Status, OPEN_MEANING])
NOTHING, SOMETHING = Decimal(0), Decimal("0.00000001")


@pytest.mark.parametrize(
    ("executed", "status"),
    [
        (None, Status.NEW),
        (NOTHING, Status.NEW),
        (SOMETHING, Status.PARTIAL),
    ],
)
def test_open_is_new_until_something_is_executed(executed: Decimal | None, status: Status) -> None:
    assert Statuses(meanings={"OPEN": OPEN_MEANING}).read("OPEN", executed) is status


def test_a_word_of_its_own_is_written_rather_than_that_for_all_open_orders() -> None:
    statuses = Statuses(meanings={"OPEN": OPEN_MEANING, "PART": Status.PARTIAL})

    assert statuses.write(Status.PARTIAL) == "PART"
    assert statuses.write(Status.NEW) == "OPEN"


def test_a_status_without_a_word_and_a_word_without_a_status_are_none() -> None:
    statuses = Statuses(meanings={"OPEN": OPEN_MEANING})

    assert statuses.write(Status.FILLED) is None
    assert statuses.read("CLOSED", None) is None


def test_without_a_mapping_the_words_are_ours() -> None:
    for status in Status:
        assert Statuses().read(status, SOMETHING) is status
        assert Statuses().write(status) == status


@st.composite
def decided(draw: st.DrawFn) -> Statuses:
    """Return statuses that need no further choice: of several words one is chosen."""
    meanings = draw(st.dictionaries(WORDS, MEANINGS)) | {"O": OPEN_MEANING}
    statuses = Statuses(meanings=meanings)
    ends = [word for word, meaning in meanings.items() if meaning in TERMINAL]
    chosen = {}
    for status in Status:
        words = statuses.words_for(status) or (ends if status.is_terminal else ())
        if words and (len(words) > 1 or draw(st.booleans())):
            chosen[status] = draw(st.sampled_from(words))
    return Statuses(meanings=meanings, chosen=chosen)


@given(decided())
def test_what_is_written_is_read_as_what_was_meant(statuses: Statuses) -> None:
    lines = [f'"{word}" = "{meaning}"' for word, meaning in statuses.meanings.items()]
    writes = [f'{status} = "{word}"' for status, word in statuses.chosen.items()]
    text = ["[orders.statuses]", *lines, "[orders.statuses.write]", *writes]

    config, problems = read("\n".join(text))

    assert problems == []
    assert config is not None
    assert config.statuses == statuses
    for status in Status:
        word = statuses.write(status)
        executed = SOMETHING if status is Status.PARTIAL else NOTHING
        again = None if word is None else statuses.read(word, executed)
        has_own_word = bool(statuses.words_for(status))
        assert again is status or not has_own_word
        assert again is None or again is status or {again, status} <= TERMINAL


@given(st.dictionaries(WORDS, MEANINGS))
def test_of_several_words_none_is_written_before_one_is_chosen(
    meanings: dict[str, Meaning],
) -> None:
    statuses = Statuses(meanings=meanings)

    for status in Status:
        words = statuses.words_for(status)
        assert statuses.write(status) == (words[0] if len(words) == 1 else None)
        if status not in {Status.PENDING, Status.NEW}:
            assert (status in set(statuses.undecided)) == (len(words) > 1)
