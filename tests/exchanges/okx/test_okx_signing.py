"""Signatures, with the inputs of OKX's API guide."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from reconciler.exchanges.okx.signing import signature_of, signed_headers, timestamp_text
from reconciler.exchanges.signing import HmacKey

# "REST authentication" gives secret, time, method and path, but no result. The results are
# OpenSSL's: `openssl dgst -sha256 -hmac SECRET -binary | base64`.
KEY = HmacKey(secret=b"22582BD0CFF14C41EDBF1AB98506286D")
MOMENT = datetime(2020, 12, 8, 9, 8, 57, 715000, tzinfo=UTC)
TIMESTAMP = "2020-12-08T09:08:57.715Z"
ORDER = (
    '{"instId":"BTC-USDT","tdMode":"cash","clOrdId":"b15","side":"buy","ordType":"limit"'
    ',"px":"2.15","sz":"2"}'
)


@pytest.mark.parametrize(
    ("method", "target", "body", "expected"),
    [
        (
            "GET",
            "/api/v5/account/balance?ccy=BTC",
            "",
            "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        ),
        ("POST", "/api/v5/trade/order", ORDER, "dI6rrL9rXW/HdaPKJ/6LC1OgvH4/PYju6R3CqixMTNQ="),
    ],
    ids=["get", "post"],
)
def test_the_documented_inputs_are_signed_as_openssl_signs_them(
    method: str, target: str, body: str, expected: str
) -> None:
    assert signature_of(KEY, TIMESTAMP, method, target, body) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (MOMENT, TIMESTAMP),
        (MOMENT.astimezone(timezone(timedelta(hours=8))), TIMESTAMP),
        (MOMENT.replace(microsecond=999), "2020-12-08T09:08:57.000Z"),
        (MOMENT.replace(microsecond=7999), "2020-12-08T09:08:57.007Z"),
    ],
    ids=["utc", "another zone", "less than a millisecond", "milliseconds are cut"],
)
def test_a_timestamp_has_milliseconds_and_is_in_utc(moment: datetime, expected: str) -> None:
    assert timestamp_text(moment) == expected


def test_a_signed_request_carries_the_passphrase_as_it_is() -> None:
    headers = signed_headers(
        key=KEY,
        api_key="37c541a1",
        passphrase="A b!ü",
        timestamp=TIMESTAMP,
        method="GET",
        target="/api/v5/account/balance?ccy=BTC",
    )

    assert headers == {
        "OK-ACCESS-KEY": "37c541a1",
        "OK-ACCESS-SIGN": "HiZhvSfMtWJA3uUIVXV3a/bSXNPCWvYFXoGCVS8V4zY=",
        "OK-ACCESS-TIMESTAMP": TIMESTAMP,
        "OK-ACCESS-PASSPHRASE": "A b!ü",
    }
