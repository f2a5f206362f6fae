import pytest

from reconciler.domain.status import OPEN, TERMINAL, Status

LIFE_IN_ORDER = [Status.PENDING, Status.NEW, Status.PARTIAL, Status.FILLED]
ENDS = [Status.FILLED, Status.CANCELED, Status.REJECTED, Status.EXPIRED]


def test_statuses_are_the_seven_words_of_the_orders_table() -> None:
    assert {status.value for status in Status} == {
        "pending",
        "new",
        "partial",
        "filled",
        "canceled",
        "rejected",
        "expired",
    }


def test_every_status_is_either_open_or_terminal() -> None:
    assert set(Status) == OPEN | TERMINAL
    assert not OPEN & TERMINAL


@pytest.mark.parametrize("status", Status)
def test_only_the_four_ends_are_terminal(status: Status) -> None:
    assert status.is_terminal == (status in ENDS)


def test_progress_grows_along_an_orders_life() -> None:
    progress = [status.progress for status in LIFE_IN_ORDER]

    assert progress == sorted(set(progress))


def test_no_end_is_further_along_than_another() -> None:
    assert len({status.progress for status in ENDS}) == 1
