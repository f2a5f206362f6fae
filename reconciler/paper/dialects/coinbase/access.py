"""The web token of a request: who signed it, for which request, and until when.

Sources, read 2026-11-28: coinbase-advanced-py 1.8.4, jwt_generator.py, and docs.cdp.coinbase.com,
"JWT Authentication". PyJWT checks the signature; the times are checked by the caller's clock.
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.coinbase.answers import unauthorized
from reconciler.paper.dialects.dialect import PaperRequest, Refused
from reconciler.paper.tokens import TokenRefused, check_token

LIFE_SECONDS = 120
"""A token is valid for two minutes at most."""

AHEAD_SECONDS = 5
"""How far a client's clock may be ahead. Undocumented: our choice."""

_ISSUERS = frozenset({"cdp", "coinbase-cloud"})
"""The SDK's, and the older one that ccxt still sends."""

_JWS = PyJWS()


def access_problem(access: AccessPolicy) -> str | None:
    """Say what is wrong with the credentials that the exchange is to accept, or None."""
    if access.api_key is None or public_key(access) is not None:
        return None
    return (
        "coinbase verifies requests with a public key: give that of an ES256 (P-256) or Ed25519"
        " key, or the private key itself as the secret"
    )


def public_key(access: AccessPolicy) -> EllipticCurvePublicKey | Ed25519PublicKey | None:
    """Return the key that verifies tokens; None if there is none of the venue's kinds."""
    if access.public_key is not None:
        key = access.public_key.key
        return key if isinstance(key, EllipticCurvePublicKey | Ed25519PublicKey) else None
    return _public_half(access.api_secret or "")


def authenticate(request: PaperRequest, access: AccessPolicy, now_ms: int) -> None:
    """Check the token of a request.

    Raises:
        Refused: it is missing or wrong. The answer does not say why, as the venue's does not.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip() if scheme.lower() == "bearer" else ""
    if access.jwt_secret is not None and _is_accepted(access.jwt_secret, token, now_ms):
        return
    key = public_key(access) if access.api_key is not None else None
    if key is None and access.jwt_secret is None:
        return
    if key is None or not _is_signed(token, key, request, access, now_ms):
        raise Refused(unauthorized())


def claimed_key(request: PaperRequest) -> str | None:
    """Return the API key that a request's token names, unchecked."""
    _, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        key = _JWS.get_unverified_header(token.strip()).get("kid")
    except PyJWTError:
        return None
    return key if isinstance(key, str) else None


def _is_accepted(jwt_secret: str, token: str, now_ms: int) -> bool:
    try:
        check_token(jwt_secret, token, now_ms)
    except TokenRefused:
        return False
    return True


def _is_signed(
    token: str,
    key: EllipticCurvePublicKey | Ed25519PublicKey,
    request: PaperRequest,
    access: AccessPolicy,
    now_ms: int,
) -> bool:
    algorithm = "EdDSA" if isinstance(key, Ed25519PublicKey) else "ES256"
    try:
        decoded = _JWS.decode_complete(token, key, [algorithm])
        claims = msgspec.json.decode(decoded["payload"], type=dict[str, Any])
    except (PyJWTError, msgspec.MsgspecError):
        return False
    header = decoded["header"]
    return (
        header.get("kid") == claims.get("sub") == access.api_key
        and bool(header.get("nonce"))
        and claims.get("iss") in _ISSUERS
        and _is_in_time(claims, now_ms)
        and _names(claims, request)
    )


def _is_in_time(claims: Mapping[str, Any], now_ms: int) -> bool:
    begins, expires = claims.get("nbf"), claims.get("exp")
    if type(begins) is not int or type(expires) is not int:
        return False
    return (
        expires - begins <= LIFE_SECONDS
        and begins <= now_ms / 1000 + AHEAD_SECONDS
        and now_ms / 1000 < expires
    )


def _names(claims: Mapping[str, Any], request: PaperRequest) -> bool:
    """Return True if the token was made for this request: its method, host and path.

    The claim is `uri`, or `uris` with one of several (ccxt, for Ed25519 keys). ccxt drops only
    "https://" from its address, so that behind plain HTTP the scheme stays in the claim.
    """
    uri = f"{request.method} {request.headers.get('host', '')}{request.path}"
    named = claims.get("uris") if "uris" in claims else [claims.get("uri")]
    plain = {one.replace("http://", "", 1) for one in named or [] if isinstance(one, str)}
    return uri in plain


def _public_half(secret: str) -> EllipticCurvePublicKey | Ed25519PublicKey | None:
    """Return the public half of a private key, in PEM or as the base64 of an Ed25519 key."""
    if "-----BEGIN" not in secret:
        try:
            content = base64.b64decode(secret, validate=True)
            return Ed25519PrivateKey.from_private_bytes(content[:32]).public_key()
        except ValueError:
            return None
    try:
        key = load_pem_private_key(secret.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):
        return None
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key()
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key.public_key()
    return None
