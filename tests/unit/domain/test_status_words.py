import pytest

from reconciler.domain.status import OPEN, TERMINAL, Status
from reconciler.domain.status_words import StatusMeaning, guess_meaning
from reconciler.exchanges.binance.constants import STATUSES


@pytest.mark.parametrize("status", Status)
def test_our_own_words_are_what_they_say(status: Status) -> None:
    assert guess_meaning(status) is (
        StatusMeaning.FOLLOWED if status in OPEN else StatusMeaning.ENDED
    )


@pytest.mark.parametrize("status", [status.value for status in sorted(OPEN)])
@pytest.mark.parametrize("spell", [str.upper, str.title, " {}".format, "{}  ".format])
def test_our_words_in_capitals_or_with_blanks_look_open_and_are_not_ours(
    status: str, spell: "type[str]"
) -> None:
    assert guess_meaning(spell(status)) is StatusMeaning.OPEN


@pytest.mark.parametrize(
    "word",
    ["OPEN", "PARTIALLY_FILLED", "partially filled", "Working", "ACCEPTED", "live", "PENDING_NEW"],
)
def test_what_others_call_an_open_order_looks_open(word: str) -> None:
    assert guess_meaning(word) is StatusMeaning.OPEN


@pytest.mark.parametrize("word", ["FILLED", "Cancelled", "CLOSED", "done", "EXPIRED_IN_MATCH"])
def test_what_others_call_an_ended_order_does_not(word: str) -> None:
    assert guess_meaning(word) is StatusMeaning.ENDED


@pytest.mark.parametrize("word", ["7", "draft", "", None, "cancel_requested", "на рынке"])
def test_a_word_that_tells_nothing_is_not_guessed_at(word: str | None) -> None:
    assert guess_meaning(word) is StatusMeaning.OTHER


# Somebody is at work on such an order, whose status is of the application's own until then.
@pytest.mark.parametrize("word", [word for word in STATUSES if word != "PENDING_CANCEL"])
def test_every_word_of_the_exchange_is_known_for_what_it_is(word: str) -> None:
    status = STATUSES[word]
    expected = StatusMeaning.ENDED if status in TERMINAL else StatusMeaning.OPEN

    assert guess_meaning(word) is expected
