"""The headers of a signed request, as OKX documents them.

Source: API guide, "REST authentication", https://www.okx.com/docs-v5/en/#overview-rest-authentication,
read 2026-11-28.
"""

from base64 import b64encode
from datetime import UTC, datetime

from reconciler.exchanges.signing import SigningKey


def timestamp_text(server_time: datetime) -> str:
    """Return the time as OKX wants it: ISO 8601 in UTC with milliseconds and a Z."""
    return server_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{server_time.microsecond // 1000:03d}Z"
    )


def signature_of(key: SigningKey, timestamp: str, method: str, target: str, body: str = "") -> str:
    """Return the signature in base64. `target` is the path with its query, as it is sent."""
    return b64encode(key.sign(f"{timestamp}{method}{target}{body}".encode())).decode()


def signed_headers(
    *, key: SigningKey, api_key: str, passphrase: str, timestamp: str, method: str, target: str
) -> dict[str, str]:
    """Return the headers that sign a request without a body."""
    return {
        "OK-ACCESS-KEY": api_key,
        "OK-ACCESS-SIGN": signature_of(key, timestamp, method, target),
        "OK-ACCESS-TIMESTAMP": timestamp,
        "OK-ACCESS-PASSPHRASE": passphrase,
    }
