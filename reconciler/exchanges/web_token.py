"""JSON web tokens, signed with ES256 or EdDSA, in the compact form of RFC 7515.

Sources, read 2026-11-28: RFC 7515 (the form), RFC 7518, section 3.4 (ES256), RFC 8037 (EdDSA),
RFC 7519 (the claims).
"""

import base64
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from reconciler.exchanges.signing import SigningKey
from reconciler.settings import KeyType

_ALGORITHMS: Mapping[KeyType, str] = MappingProxyType(
    {KeyType.ES256: "ES256", KeyType.ED25519: "EdDSA"}
)
"""The header `alg` of each kind of key that signs web tokens here."""

TOKEN_KEY_TYPES = frozenset(_ALGORITHMS)


def web_token(key: SigningKey, claims: Mapping[str, object], header: Mapping[str, object]) -> str:
    """Return a web token with `claims`. Its header is `header`, and `alg` and `typ`.

    `key` is of one of the `TOKEN_KEY_TYPES`.
    """
    full_header = {"alg": _ALGORITHMS[key.type], "typ": "JWT", **header}
    return signed_compact(key, msgspec.json.encode(full_header), msgspec.json.encode(claims))


def signed_compact(key: SigningKey, header: bytes, payload: bytes) -> str:
    """Return `payload` signed in the compact form: three parts in base64url, joined by dots."""
    signed = f"{_base64url(header)}.{_base64url(payload)}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
