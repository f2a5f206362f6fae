"""Sign a request as Bybit's v5 API wants it. Pure.

Source: guide.mdx, "Create A Request", of github.com/bybit-exchange/docs, read 2026-11-28: the text
to sign is the timestamp, the key, the window and the query string exactly as it is sent. The
signature is hex for an HMAC key and base64 for an RSA key.
"""

from base64 import b64encode

from reconciler.exchanges.bybit.constants import RECV_WINDOW_MS
from reconciler.exchanges.signing import SigningKey
from reconciler.settings import KeyType


def signed_headers(
    key: SigningKey, *, api_key: str, query: str, timestamp_ms: int
) -> dict[str, str]:
    """Return the headers of a signed GET. `query` is the encoded query string."""
    text = f"{timestamp_ms}{api_key}{RECV_WINDOW_MS}{query}"
    return {
        "X-BAPI-API-KEY": api_key,
        "X-BAPI-TIMESTAMP": str(timestamp_ms),
        "X-BAPI-RECV-WINDOW": str(RECV_WINDOW_MS),
        "X-BAPI-SIGN": signature_of(key, text),
    }


def signature_of(key: SigningKey, text: str) -> str:
    """Return the signature of `text`: lower-case hex with HMAC, base64 with RSA."""
    signed = key.sign(text.encode())
    return signed.hex() if key.type is KeyType.HMAC else b64encode(signed).decode()
