"""What a table's words for a status mean: known, or not followed; written, or put on hold."""

import pytest

from reconciler.adoption.draft import Place
from reconciler.adoption.proposal import propose
from reconciler.config_file.statuses import OPEN_MEANING, Statuses
from reconciler.domain.status import Status

from .builders import COLUMNS, a_sample, a_table, words_of

BINANCE = ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED")


def test_the_words_of_an_exchange_are_read_and_written_one_to_one() -> None:
    proposal = words_of(*BINANCE)

    ours = (Status.NEW, Status.PARTIAL, Status.FILLED, Status.CANCELED, Status.REJECTED)
    assert proposal.statuses.meanings == dict(zip(BINANCE, (*ours, Status.EXPIRED), strict=True))
    assert proposal.questions == []


@pytest.mark.parametrize(
    ("words", "open_words"),
    [
        (("OPEN", "FILLED"), {"OPEN": "open"}),
        (("pending", "completed"), {"pending": "open"}),
        (("CREATED", "SUBMITTED", "DONE"), {"CREATED": "pending", "SUBMITTED": "open"}),
        (("SENT", "PARTIAL"), {"SENT": "new", "PARTIAL": "partial"}),
        (("PENDING_CANCEL", "NEW", "PARTIAL"), {"PENDING_CANCEL": "open", "NEW": "new"}),
    ],
    ids=[
        "no word for partial",
        "one word for all that is open",
        "the last of the words before it is open",
        "no word for new",
        "an order that is being changed is still open",
    ],
)
def test_open_words_mean_what_the_other_words_leave_to_them(
    words: tuple[str, ...], open_words: dict[str, str]
) -> None:
    meanings = words_of(*words).statuses.meanings

    assert open_words.items() <= {word: str(meaning) for word, meaning in meanings.items()}.items()


def test_a_word_whose_meaning_is_not_known_is_left_out_and_counted() -> None:
    proposal = words_of("OPEN", "FILLED", "frobnicated", "frobnicated", "")

    assert "frobnicated" not in proposal.statuses.meanings
    assert any("frobnicated" in one and "2 rows" in one for one in proposal.assumptions)
    assert any("frobnicated" in note for note in proposal.notes["statuses"])
    assert not proposal.open_questions


def test_closed_means_filled_only_where_another_word_means_canceled() -> None:
    with_canceled = words_of("open", "closed", "canceled").statuses
    without = words_of("open", "closed")

    assert with_canceled.read("closed", None) is Status.FILLED
    assert "closed" not in without.statuses.meanings
    assert any("not how" in one for one in without.assumptions)


def test_numbers_are_not_followed_before_a_person_has_said_what_they_mean() -> None:
    columns = {**COLUMNS, "status": "integer"}
    table = a_table(columns)
    rows = [{"status": "0"}, {"status": "1"}, {"status": "2"}]

    asked = propose(table, a_sample(table, rows), exchange="binance")
    answers: dict[Place, str] = {
        ("statuses", "0"): "open",
        ("statuses", "1"): "filled",
        ("statuses", "2"): "leave out",
    }
    told = propose(table, a_sample(table, rows), exchange="binance", answers=answers)

    assert asked.statuses.meanings == {}
    assert [question.place[-1] for question in asked.open_questions] == ["0", "1", "2"]
    assert told.statuses.meanings == {"0": OPEN_MEANING, "1": Status.FILLED}
    assert not told.open_questions


@pytest.mark.parametrize(
    ("words", "status", "written"),
    [
        (("OPEN", "CANCELED"), Status.EXPIRED, "CANCELED"),
        (("OPEN", "CANCELED"), Status.REJECTED, "CANCELED"),
        (("OPEN", "CANCELED", "REJECTED"), Status.EXPIRED, "CANCELED"),
        (("OPEN", "CANCELED", "EXPIRED"), Status.REJECTED, None),
        (("OPEN", "CANCELED", "CANCELLED"), Status.EXPIRED, None),
        (("OPEN", "FILLED"), Status.CANCELED, None),
        (("OPEN", "CANCELED", "FAILED"), Status.REJECTED, "FAILED"),
        (("OPEN", "EXECUTED", "FILLED"), Status.FILLED, "FILLED"),
        (("NEW", "ACCEPTED", "PENDING"), Status.PARTIAL, "NEW"),
        (("ACCEPTED", "PENDING_CANCEL"), Status.PARTIAL, "ACCEPTED"),
    ],
)
def test_a_word_is_written_only_if_the_table_has_one_that_fits(
    words: tuple[str, ...], status: Status, written: str | None
) -> None:
    statuses = words_of(*words).statuses

    assert statuses.write(status) == written


@pytest.mark.parametrize("words", [(), ("new", "filled"), ("OPEN",)])
def test_a_table_with_our_names_has_our_words_unless_it_has_others(words: tuple[str, ...]) -> None:
    ours = ("id", "symbol", "external_order_id", "status", "executed_qty")
    table = a_table(dict.fromkeys(ours, "text"))

    rows = [{"status": word} for word in words]
    proposal = propose(table, a_sample(table, rows), exchange="binance")

    assert (proposal.statuses == Statuses()) is ("OPEN" not in words)


def test_words_that_depend_on_the_side_are_never_chosen_from() -> None:
    proposal = words_of("OPEN", "BuyOrderCompleted", "SellOrderCompleted")

    assert [one.place for one in proposal.open_questions] == [("statuses", "write", "filled")]
    assert proposal.open_questions[0].is_for_file


def test_labels_that_no_row_has_are_read_too() -> None:
    table = a_table({**COLUMNS, "status": "order_status"}, labels={"status": BINANCE})

    proposal = propose(table, a_sample(table), exchange="binance")

    assert set(BINANCE) <= proposal.statuses.meanings.keys()


@pytest.mark.parametrize(
    ("status", "others", "codes", "meanings"),
    [
        (
            "state",
            ("volume", "origin_volume", "ord_type", "origin_locked"),
            ("0", "100", "200", "-100", "-200"),
            ("pending", "open", "filled", "canceled", "rejected"),
        ),
        (
            "OrdStatus",
            (),
            ("A", "0", "1", "2", "C"),
            ("pending", "new", "partial", "filled", "expired"),
        ),
    ],
    ids=["peatio", "FIX"],
)
def test_codes_are_known_from_the_platform_that_the_table_is_of(
    status: str, others: tuple[str, ...], codes: tuple[str, ...], meanings: tuple[str, ...]
) -> None:
    columns = {name: type_ for name, type_ in COLUMNS.items() if name != "status"}
    table = a_table({**columns, status: "text", **dict.fromkeys(others, "numeric")})
    rows = [{status: code} for code in codes]

    proposal = propose(table, a_sample(table, rows), exchange="binance")

    assert list(proposal.statuses.meanings.items()) == list(zip(codes, meanings, strict=True))
