"""Every exception of ccxt becomes one of ours."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ccxt.base import errors

from reconciler.errors import (
    ClockSkew,
    ExchangeError,
    Malformed,
    RateLimited,
    Refused,
    RequestRejected,
    Unavailable,
)
from reconciler.exchanges.ccxt.errors import ERROR_KINDS, ErrorKind, error_text, kind_of, translate


def _names(hierarchy: Mapping[str, Any]) -> Iterator[str]:
    for name, children in hierarchy.items():
        yield name
        yield from _names(children)


NAMES = sorted(_names(errors.error_hierarchy))


def test_table_has_exactly_the_exceptions_of_the_installed_ccxt() -> None:
    assert sorted(ERROR_KINDS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_exception_has_its_kind_and_one_of_our_errors(name: str) -> None:
    error = getattr(errors, name)("exchange said no")

    assert kind_of(error) is ERROR_KINDS[name]
    assert isinstance(translate(error), ExchangeError)
    assert name in str(translate(error))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("OrderNotFound", RequestRejected),
        ("InvalidOrder", RequestRejected),
        ("ExchangeError", Unavailable),
        ("AuthenticationError", Refused),
        ("PermissionDenied", Refused),
        ("InvalidNonce", ClockSkew),
        ("RateLimitExceeded", RateLimited),
        ("DDoSProtection", RateLimited),
        ("OnMaintenance", Unavailable),
        ("RequestTimeout", Unavailable),
        ("BadResponse", Malformed),
    ],
)
def test_exception_becomes_the_error_on_which_we_act(name: str, ours: type[ExchangeError]) -> None:
    assert type(translate(getattr(errors, name)("no"))) is ours


def test_only_one_exception_means_that_an_order_is_not_found() -> None:
    found = [name for name, kind in ERROR_KINDS.items() if kind is ErrorKind.ORDER_NOT_FOUND]

    assert found == ["OrderNotFound"]


def test_exception_of_a_later_ccxt_has_the_kind_of_its_parent() -> None:
    class KeyExpired(errors.PermissionDenied):  # type: ignore[misc] # ccxt has no types
        pass

    assert kind_of(KeyExpired("no")) is ErrorKind.DENIED
    assert kind_of(KeyError("no")) is ErrorKind.UNAVAILABLE


def test_text_has_no_signature_and_no_control_characters() -> None:
    address = "https://api.example.com/order?apiKey=KEY123&signature=abcdef0123456789"

    text = error_text(errors.ExchangeNotAvailable(f'binance GET {address} 503 {{"msg":\n"down"}}'))

    assert "KEY123" not in text
    assert "abcdef" not in text
    assert "down" in text
    assert text.isprintable()
