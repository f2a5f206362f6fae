"""Check that a request proves an API key, as Bybit does.

Pure: the request's own bytes and the time decide. Source, read 2026-11-28: guide.mdx,
"Authentication", of github.com/bybit-exchange/docs; codes from error.mdx, and texts from reports of
users (github.com/bybit-exchange/pybit/issues/191):

- `X-BAPI-API-KEY` names the key;
- `X-BAPI-SIGN` is the hex HMAC-SHA256, or the base64 RSA-SHA256, over timestamp, key, window and
  the query string exactly as it was sent (or the body of a POST);
- `X-BAPI-TIMESTAMP` is less than a second ahead of the exchange, and at most `X-BAPI-RECV-WINDOW`
  behind it (5,000 ms by default).
"""

import hashlib
import hmac
import re

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.bybit.answers import error_answer
from reconciler.paper.dialects.dialect import PaperAnswer, PaperRequest, Refused

MAX_AHEAD_MS = 1000
DEFAULT_RECV_WINDOW = "5000"

_WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")


def access_problem(access: AccessPolicy) -> str | None:
    """Say what is wrong with the credentials to accept; None: nothing."""
    if access.passphrase is not None:
        return "the dialect bybit has no passphrase: leave it out"
    if access.jwt_secret is not None and access.api_key is None:
        return "the dialect bybit knows no bearer tokens: give an API key and its secret"
    if access.public_key is not None and not isinstance(access.public_key.key, RSAPublicKey):
        return "a key of the dialect bybit is HMAC or RSA: give an RSA public key"
    return None


def authenticate(access: AccessPolicy, request: PaperRequest, now_ms: int) -> None:
    """Check key, time and signature, in this order. Without a key configured, none is needed.

    Raises:
        Refused: the credentials are missing or wrong.
    """
    if access.api_key is None:
        return
    sent = request.headers
    key, timestamp = sent.get("x-bapi-api-key"), sent.get("x-bapi-timestamp")
    signature = sent.get("x-bapi-sign")
    if key is None:
        raise Refused(PaperAnswer(body=b"", status=401))
    if not timestamp or not signature:
        text = f"empty value: apiTimestamp[{timestamp or ''}] apiKey[{key}] apiSignature[]"
        raise Refused(error_answer(10001, text, now_ms))
    if not _equal(key, access.api_key):
        raise Refused(error_answer(10003, "API key is invalid.", now_ms))
    window = sent.get("x-bapi-recv-window", DEFAULT_RECV_WINDOW)
    _check_time(timestamp, window, now_ms)
    payload = request.query if request.method == "GET" else request.body.decode(errors="replace")
    signed = f"{timestamp}{key}{window}{payload}"
    if not _verifies(access, signed, signature):
        text = "Error sign, please check your signature generation algorithm."
        raise Refused(error_answer(10004, text, now_ms))


def _check_time(timestamp: str, window: str, now_ms: int) -> None:
    is_readable = _WHOLE_NUMBER.fullmatch(timestamp) and _WHOLE_NUMBER.fullmatch(window)
    if is_readable and now_ms - int(window) <= int(timestamp) < now_ms + MAX_AHEAD_MS:
        return
    text = (
        "invalid request, please check your server timestamp or recv_window param."
        f" req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window}]"
    )
    raise Refused(error_answer(10002, text, now_ms))


def _verifies(access: AccessPolicy, signed: str, signature: str) -> bool:
    if access.public_key is not None:
        return access.public_key.verifies(signed, signature)
    secret = (access.api_secret or "").encode()
    return _equal(signature, hmac.new(secret, signed.encode(), hashlib.sha256).hexdigest())


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
