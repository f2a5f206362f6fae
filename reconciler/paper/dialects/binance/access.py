"""Check the credentials of a request: a signature or a bearer token.

Pure: the request's own bytes and the time decide. Signatures are checked as Binance does it
(Binance Spot API documentation, "SIGNED Endpoint security", read 2026-11-24):

- `X-MBX-APIKEY` names the key; keys are case sensitive;
- `signature` is the hex HMAC-SHA256, in either case, over the query string exactly as it was sent,
  without the parameter `signature` itself; or in base64 for an Ed25519 or RSA key;
- `timestamp` is less than a second ahead of the exchange and at most `recvWindow` behind it
  (5,000 ms by default, at most 60,000).
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Self

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.answers import (
    ApiError,
    missing_parameter_error,
    wrong_key_error,
)
from reconciler.paper.dialects.binance.parameters import QueryParameters
from reconciler.paper.tokens import TokenRefused, check_token

MAX_AHEAD_MS = 1000
DEFAULT_RECV_WINDOW_MS = Decimal(5000)
MAX_RECV_WINDOW_MS = Decimal(60_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestCredentials:
    """The credentials in a request's headers and query."""

    api_key: str | None = field(repr=False)
    bearer_token: str | None = field(repr=False)
    query: str = field(repr=False)

    @classmethod
    def read(cls, *, api_key: str | None, authorization: str | None, query: str) -> Self:
        """Read the credentials from the two headers and the query string as it was sent."""
        scheme, _, token = (authorization or "").partition(" ")
        is_bearer = scheme.lower() == "bearer"
        return cls(api_key=api_key, bearer_token=token.strip() if is_bearer else None, query=query)


def authenticate(
    access: AccessPolicy, credentials: RequestCredentials, parameters: QueryParameters, now_ms: int
) -> None:
    """Check that a request carries accepted credentials.

    A `timestamp` is checked whenever one is sent, and must be sent with a signature.

    Raises:
        ApiError: the credentials are missing or wrong; the message says why.
    """
    check_timestamp(parameters, now_ms)
    checks = _checks(access, credentials, parameters, now_ms)
    errors = list(filter(None, map(_error_of, checks)))
    if len(errors) < len(checks) or not checks:
        return
    raise errors[-1 if credentials.bearer_token is None else 0]


def _checks(
    access: AccessPolicy, credentials: RequestCredentials, parameters: QueryParameters, now_ms: int
) -> Sequence[Callable[[], None]]:
    """Return a check for each accepted kind of credentials, the token's first."""
    checks: list[Callable[[], None]] = []
    if access.jwt_secret is not None:
        checks.append(partial(_check_token, access.jwt_secret, credentials.bearer_token, now_ms))
    if access.api_key is not None:
        checks.append(partial(_check_signature, access, access.api_key, credentials, parameters))
    return checks


def _error_of(check: Callable[[], None]) -> ApiError | None:
    try:
        check()
    except ApiError as error:
        return error
    return None


def _check_token(secret: str, token: str | None, now_ms: int) -> None:
    try:
        check_token(secret, token, now_ms)
    except TokenRefused as refusal:
        raise ApiError(-2015, f"JWT refused: {refusal}", http_status=401) from None


def _check_signature(
    access: AccessPolicy, api_key: str, credentials: RequestCredentials, parameters: QueryParameters
) -> None:
    if credentials.api_key is None:
        raise ApiError(-2014, "API-key format invalid.", http_status=401)
    if not _equal(credentials.api_key, api_key):
        raise wrong_key_error()
    if parameters.text("timestamp") is None:
        raise missing_parameter_error("timestamp")
    signature = parameters.text("signature")
    if signature is None:
        raise missing_parameter_error("signature")
    signed = "&".join(
        part for part in credentials.query.split("&") if not part.startswith("signature=")
    )
    if not _verifies(access, signed, signature):
        raise ApiError(-1022, "Signature for this request is not valid.")


def _verifies(access: AccessPolicy, query: str, signature: str) -> bool:
    if access.public_key is not None:
        return access.public_key.verifies(query, signature)
    return _equal(signature.lower(), sign(access.api_secret or "", query))


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def check_timestamp(parameters: QueryParameters, now_ms: int) -> None:
    """Check that a timestamp, if sent, lies within `recvWindow`.

    Raises:
        ApiError: the timestamp lies outside it.
    """
    timestamp_us, now_us = parameters.time_us("timestamp"), now_ms * 1000
    window_ms = parameters.decimal("recvWindow") or DEFAULT_RECV_WINDOW_MS
    if window_ms > MAX_RECV_WINDOW_MS:
        raise ApiError(-1131, f"'recvWindow' must be less than {MAX_RECV_WINDOW_MS}.")
    if timestamp_us is None:
        return
    if timestamp_us >= now_us + MAX_AHEAD_MS * 1000:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_us - timestamp_us > window_ms * 1000:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def sign(secret: str, query: str) -> str:
    """Return the signature of a percent-encoded query: hex HMAC-SHA256."""
    return hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
