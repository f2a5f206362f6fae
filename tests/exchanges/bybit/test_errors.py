"""The table of error codes is complete."""

import pytest

from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.bybit.errors import (
    ERROR_KINDS,
    HINTS,
    HTTP_KINDS,
    TRADING_CODES,
)
from tests.exchanges.bybit.documented import CODES, HTTP_STATUSES

TO_ASK_AGAIN = (429, 10000, 10016, 110079, 170001, 170007, 170032, 170191, 170234, 3400214)
"""Codes whose text says "try again", "retry", or that the server or the network failed."""
KEY_CODES = (-2015, 10003, 10004, 10005, 10007, 10010, 33004)


@pytest.mark.parametrize("code", CODES)
def test_documented_code_has_a_kind_or_is_about_trading(code: int) -> None:
    assert code in ERROR_KINDS or any(code in codes for codes in TRADING_CODES)


@pytest.mark.parametrize("status", HTTP_STATUSES)
def test_documented_http_status_has_a_kind(status: int) -> None:
    assert status in HTTP_KINDS


def test_no_other_code_says_that_an_order_does_not_exist() -> None:
    not_found = {code for code, kind in ERROR_KINDS.items() if kind is ErrorKind.ORDER_NOT_FOUND}

    assert not_found == {110001, 170213}
    assert ErrorKind.ORDER_NOT_FOUND not in HTTP_KINDS.values()
    assert ErrorKind.ORDER_ARCHIVED not in ERROR_KINDS.values()


@pytest.mark.parametrize("code", TO_ASK_AGAIN)
def test_failure_of_the_server_is_transient(code: int) -> None:
    assert ERROR_KINDS[code] is ErrorKind.TRANSIENT


@pytest.mark.parametrize("code", KEY_CODES)
def test_refused_key_comes_with_a_hint(code: int) -> None:
    assert ERROR_KINDS[code] is ErrorKind.REFUSED
    assert code in HINTS


def test_every_hint_is_for_a_refusal() -> None:
    assert {ERROR_KINDS[code] for code in HINTS} == {ErrorKind.REFUSED}
