"""Whether a request proves that its sender has the key, its secret and its passphrase.

Source: API guide, "REST authentication" and "REST API error codes", read 2026-11-28. A request
expires 30 s after its timestamp. In which order OKX checks is not documented.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from http import HTTPStatus

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.dialect import PaperRequest
from reconciler.paper.dialects.okx.answers import missing_header, refused

LIFETIME_MS = 30_000
DEMO_HEADER = "x-simulated-trading"

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_HEADERS = (
    ("OK-ACCESS-KEY", "50103"),
    ("OK-ACCESS-PASSPHRASE", "50104"),
    ("OK-ACCESS-SIGN", "50106"),
    ("OK-ACCESS-TIMESTAMP", "50107"),
)


def access_problem(access: AccessPolicy) -> str | None:
    """Say what is wrong with the accepted credentials, or None."""
    if access.jwt_secret is not None or access.public_key is not None:
        return "OKX has keys with a secret only: no tokens and no public keys"
    if (access.api_key is None) != (access.passphrase is None):
        return "a key of OKX has a passphrase: give key, secret and passphrase, or none of them"
    return None


def authenticate(access: AccessPolicy, request: PaperRequest, now_ms: int) -> None:
    """Check a private request.

    Raises:
        Refused: the credentials are missing or wrong.
    """
    if access.api_key is None:
        return
    key, passphrase, signature, timestamp = (
        _header(request, name, code) for name, code in _HEADERS
    )
    _check_timestamp(timestamp, now_ms)
    if not _equal(key, access.api_key):
        raise refused("50111", "Invalid OK-ACCESS-KEY.", HTTPStatus.UNAUTHORIZED)
    if request.headers.get(DEMO_HEADER, "0") != "0":
        message = "APIKey does not match current environment."
        raise refused("50101", message, HTTPStatus.UNAUTHORIZED)
    if not _equal(signature, sign(access.api_secret or "", timestamp, request)):
        raise refused("50113", "Invalid signature.", HTTPStatus.UNAUTHORIZED)
    if not _equal(passphrase, access.passphrase or ""):
        message = 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'
        raise refused("50105", message, HTTPStatus.UNAUTHORIZED)


def sign(secret: str, timestamp: str, request: PaperRequest) -> str:
    """Return the signature that a request must have."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    text = f"{timestamp}{request.method.upper()}{target}".encode() + request.body
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def _header(request: PaperRequest, name: str, code: str) -> str:
    value = request.headers.get(name.lower())
    if not value:
        raise missing_header(code, name)
    return value


def _check_timestamp(timestamp: str, now_ms: int) -> None:
    sent_ms = _sent_ms(timestamp)
    if sent_ms is None:
        raise refused("50112", "Invalid OK-ACCESS-TIMESTAMP.", HTTPStatus.UNAUTHORIZED)
    if abs(now_ms - sent_ms) > LIFETIME_MS:
        raise refused("50102", "Timestamp request expired.", HTTPStatus.UNAUTHORIZED)


def _sent_ms(timestamp: str) -> int | None:
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return None
    try:
        return round(datetime.fromisoformat(timestamp).timestamp() * 1000)
    except ValueError:
        return None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
