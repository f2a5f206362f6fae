"""Every documented error of Kraken has its kind, and an unknown one is never "not found"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.exchanges.api_errors import ErrorKind
from reconciler.exchanges.kraken.errors import (
    ERROR_KINDS,
    gravest,
    is_warning,
    kind_of,
    known_error,
)

DOCUMENTED = """
EAPI:Invalid key
EAPI:Invalid signature
EAPI:Invalid nonce
EAPI:Rate limit exceeded
EAuth:Account temporary disabled
EAuth:Account unconfirmed
EAuth:Rate limit exceeded
EAuth:Too many requests
EGeneral:Temporary lockout
EGeneral:Permission denied
EGeneral:Invalid arguments
EGeneral:Invalid arguments:Index unavailable
EGeneral:Internal error
EOrder:Insufficient funds
EOrder:Order minimum not met
EOrder:Cost minimum not met
EOrder:Tick size check failed
EOrder:Invalid price
EOrder:Rate limit exceeded
EOrder:Orders limit exceeded
EOrder:Domain rate limit exceeded
EOrder:Scheduled orders limit exceeded
EOrder:Positions limit exceeded
EOrder:Reduce only:No position exists
EOrder:Margin allowance exceeded
EOrder:Margin level too low
EOrder:Margin position size exceeded
EOrder:Insufficient margin
EOrder:Cannot open position
EOrder:Cannot open opposing position
EService:Unavailable
EService:Market in cancel_only mode
EService:Market in post_only mode
EService:Deadline elapsed
EService:Throttled
ETrade:Invalid request
EAccount:Invalid permissions
EFunding:Max fee exceeded
EFunding:No funding method
EFunding:Too many addresses
EQuery:Unknown asset
EQuery:Unknown asset pair
EBM:limit exceeded:CAL
"""
"""docs.kraken.com, "Error messages" and "Spot REST rate limits", read 2026-11-28."""


@pytest.mark.parametrize("text", DOCUMENTED.split("\n")[1:-1])
def test_every_documented_error_has_a_kind(text: str) -> None:
    assert known_error(text) is not None


def test_kinds_are_all_that_kraken_can_mean() -> None:
    never = {ErrorKind.ORDER_ARCHIVED, ErrorKind.UNKNOWN_SYMBOL, ErrorKind.FIREWALL}

    assert set(ERROR_KINDS.values()) == set(ErrorKind) - never


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EAPI:Rate limit exceeded", ErrorKind.RATE_LIMITED),
        ("EService: Throttled: 1741500000", ErrorKind.RATE_LIMITED),
        ("EGeneral:Temporary lockout", ErrorKind.RATE_LIMITED),
        ("EAPI:Invalid nonce", ErrorKind.CLOCK_SKEW),
        ("EGeneral:Permission denied", ErrorKind.REFUSED),
        ("EAPI:Invalid key", ErrorKind.REFUSED),
        ("EGeneral:Internal error:1234", ErrorKind.TRANSIENT),
        ("EService:Something new", ErrorKind.TRANSIENT),
        ("EOrder:Unknown order", ErrorKind.ORDER_NOT_FOUND),
        ("EOrder:Invalid order", ErrorKind.BAD_PARAMETER),
        ("EGeneral:Invalid arguments:txid", ErrorKind.BAD_PARAMETER),
        ("EGeneral:Unknown Method", ErrorKind.BAD_REQUEST),
        ("EOrder:Something new", ErrorKind.REJECTED),
        ("EAPI:Something new", ErrorKind.TRANSIENT),
        ("eauth: IP address not allowed", ErrorKind.TRANSIENT),
        ("ESession:Something new", ErrorKind.TRANSIENT),
        ("EDatabase:Something new", ErrorKind.TRANSIENT),
        ("EAPIs:Something new", ErrorKind.REJECTED),
        ("", ErrorKind.REJECTED),
        ("Unknown order", ErrorKind.REJECTED),
        ("EOrder", ErrorKind.REJECTED),
    ],
)
def test_error_is_known_by_its_beginning(text: str, kind: ErrorKind) -> None:
    assert kind_of(text) is kind


@given(text=st.text(max_size=60))
def test_unknown_error_says_nothing_about_an_order(text: str) -> None:
    if known_error(text) is None:
        assert kind_of(text) in {ErrorKind.TRANSIENT, ErrorKind.REJECTED}


def test_of_several_errors_the_gravest_counts() -> None:
    assert gravest(["EOrder:Unknown order", "EAPI:Invalid key"]) == "EAPI:Invalid key"
    assert gravest(["EService:Busy", "EGeneral:Temporary lockout"]) == "EGeneral:Temporary lockout"
    assert gravest(["EOrder:Unknown order", "EOrder:New"]) == "EOrder:New"
    assert gravest(["EOrder:Unknown order"]) == "EOrder:Unknown order"


def test_warning_is_told_from_an_error() -> None:
    assert is_warning("WGeneral:Danger")
    assert not is_warning("EGeneral:Danger")
