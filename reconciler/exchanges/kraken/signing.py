"""Signed requests: a form with a nonce in the body, and the signature in a header.

Source: docs.kraken.com, "Spot REST authentication", read 2026-11-28.
"""

import hashlib
from base64 import b64encode

from reconciler.exchanges.api_client import Parameters, percent_encode
from reconciler.exchanges.signing import SigningKey


def form_body(parameters: Parameters, nonce: int) -> bytes:
    """Return the body that is signed and sent, the nonce first."""
    return percent_encode({"nonce": str(nonce), **parameters}).encode()


def signature_of(key: SigningKey, path: str, nonce: int, body: bytes) -> str:
    """Return `API-Sign`: base64 HMAC-SHA512 of path + SHA256(nonce + body).

    `path` begins with "/0/private"; `key` is what the secret decodes to from base64.
    """
    digest = hashlib.sha256(str(nonce).encode() + body).digest()
    return b64encode(key.sign(path.encode() + digest)).decode()
