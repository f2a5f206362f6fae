import pytest

from reconciler.domain.status import OPEN, TERMINAL, Status
from reconciler.domain.status_words import StatusMeaning, guess_meaning
from reconciler.exchanges.binance.constants import STATUSES


@pytest.mark.parametrize("status", Status)
def test_our_own_words_have_their_own_meaning(status: Status) -> None:
    assert guess_meaning(status) is (
        StatusMeaning.FOLLOWED if status in OPEN else StatusMeaning.ENDED
    )


@pytest.mark.parametrize("status", [status.value for status in sorted(OPEN)])
@pytest.mark.parametrize("spell", [str.upper, str.title, " {}".format, "{}  ".format])
def test_our_words_spelled_otherwise_look_open_but_are_not_ours(
    status: str, spell: "type[str]"
) -> None:
    assert guess_meaning(spell(status)) is StatusMeaning.OPEN


@pytest.mark.parametrize(
    "word",
    ["OPEN", "PARTIALLY_FILLED", "partially filled", "Working", "ACCEPTED", "live", "PENDING_NEW"],
)
def test_a_word_of_others_for_open_looks_open(word: str) -> None:
    assert guess_meaning(word) is StatusMeaning.OPEN


@pytest.mark.parametrize("word", ["FILLED", "Cancelled", "CLOSED", "done", "EXPIRED_IN_MATCH"])
def test_a_word_of_others_for_ended_looks_ended(word: str) -> None:
    assert guess_meaning(word) is StatusMeaning.ENDED


@pytest.mark.parametrize("word", ["7", "draft", "", None, "cancel_requested", "на рынке"])
def test_a_word_without_a_known_meaning_is_not_guessed(word: str | None) -> None:
    assert guess_meaning(word) is StatusMeaning.OTHER


# Without PENDING_CANCEL: while it cancels, an application may use such a word of its own.
@pytest.mark.parametrize("word", [word for word in STATUSES if word != "PENDING_CANCEL"])
def test_every_word_of_binance_has_the_right_meaning(word: str) -> None:
    status = STATUSES[word]
    expected = StatusMeaning.ENDED if status in TERMINAL else StatusMeaning.OPEN

    assert guess_meaning(word) is expected
