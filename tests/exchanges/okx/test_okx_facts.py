"""The tables of facts are complete, and each error has a kind that a person can act on."""

import pytest

from reconciler.domain.status import Status
from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.okx.constants import (
    ERROR_KINDS,
    HINTS,
    LIMITS,
    STATUSES,
    VENUE,
)

from .examples import CODES, STATES

QUERY_CODES = {"51000", "51001", "51003", "51015", "51600", "51601", "51602", "51603", "54007"}


def test_every_documented_state_has_a_status() -> None:
    assert set(STATUSES) == STATES
    assert {word for word, status in STATUSES.items() if not status.is_terminal} == {
        "live",
        "partially_filled",
    }
    assert STATUSES["mmp_canceled"] is Status.CANCELED


def test_every_documented_code_has_a_kind() -> None:
    assert set(ERROR_KINDS) == CODES | QUERY_CODES


def test_only_the_code_of_a_missing_order_says_that_an_order_does_not_exist() -> None:
    not_found = {code for code, kind in ERROR_KINDS.items() if kind is ErrorKind.ORDER_NOT_FOUND}

    assert not_found == {"51603"}


def test_each_hint_belongs_to_a_refusal_and_names_what_to_do() -> None:
    refused = {code for code, kind in ERROR_KINDS.items() if kind is ErrorKind.REFUSED}

    assert set(HINTS) - {"451"} <= refused
    assert "EXCHANGE_API_PASSPHRASE" in HINTS["50105"]


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("order", 60),
        ("orders_pending", 60),
        ("orders_history", 40),
        ("orders_history_archive", 20),
        ("account_config", 5),
        ("public_time", 10),
        ("public_instruments", 20),
    ],
)
def test_each_route_has_its_documented_limit_for_2_seconds(name: str, amount: int) -> None:
    [limit] = [limit for limit in LIMITS if limit.name == name]

    assert (limit.amount, limit.window and limit.window.total_seconds()) == (amount, 2.0)


def test_a_cancel_without_fill_is_forgotten_before_anything_else() -> None:
    assert VENUE.retention.unfilled is not None
    assert VENUE.retention.filled is not None
    assert VENUE.retention.unfilled.total_seconds() == 7200
    assert VENUE.retention.filled.days == 89
