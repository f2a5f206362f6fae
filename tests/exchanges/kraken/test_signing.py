"""Kraken's signature, against what Kraken publishes."""

from base64 import b64decode, b64encode
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from reconciler.errors import ConfigurationError
from reconciler.exchanges.kraken.constants import VENUE
from reconciler.exchanges.kraken.signing import form_body, signature_of
from reconciler.exchanges.signing import SigningKey, load_signing_key
from reconciler.settings import Credentials

PUBLISHED_SECRET = (
    "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
)
"""docs.kraken.com, "Spot REST authentication", the example; read 2026-11-28."""


def key_of(secret: str) -> SigningKey:
    credentials = Credentials(api_key=SecretStr("key"), api_secret=SecretStr(secret))
    return load_signing_key(credentials, VENUE.key_form)


def test_published_example_is_signed_as_published() -> None:
    nonce = 1616492376594
    order = {
        "ordertype": "limit",
        "pair": "XBTUSD",
        "price": "37500",
        "type": "buy",
        "volume": "1.25",
    }

    body = form_body(order, nonce)
    signature = signature_of(key_of(PUBLISHED_SECRET), "/0/private/AddOrder", nonce, body)

    assert body == (
        b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    )
    assert signature == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


def test_signature_depends_on_path_nonce_and_body() -> None:
    key = key_of(PUBLISHED_SECRET)
    body = form_body({"txid": "OQCLML-BW3P3-BUCMWZ"}, 7)

    signatures = {
        signature_of(key, "/0/private/QueryOrders", 7, body),
        signature_of(key, "/0/private/OpenOrders", 7, body),
        signature_of(key, "/0/private/QueryOrders", 8, body),
        signature_of(key, "/0/private/QueryOrders", 7, form_body({}, 7)),
        signature_of(key_of(b64encode(b"another").decode()), "/0/private/QueryOrders", 7, body),
    }

    assert len(signatures) == 5
    assert {len(b64decode(signature)) for signature in signatures} == {64}


@given(value=st.text(max_size=40), nonce=st.integers(min_value=0, max_value=2**64 - 1))
def test_form_is_read_as_it_was_written(value: str, nonce: int) -> None:
    body = form_body({"txid": value}, nonce)

    assert body.isascii()
    assert parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True) == {
        "nonce": [str(nonce)],
        "txid": [value],
    }


@pytest.mark.parametrize("secret", ["not base64!", "abc", "kQH5HW/8p1uGOVjbgWA7Fun*"])
def test_secret_that_is_no_base64_is_named_and_not_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        key_of(secret)

    assert "EXCHANGE_API_SECRET" in str(raised.value)
    assert secret not in str(raised.value)
