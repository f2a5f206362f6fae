"""Keys, signatures and nonces.

Source: docs.kraken.com, "Spot REST authentication", read 2026-11-28:

- `API-Key` names the key;
- `API-Sign` is base64 HMAC-SHA512, with the decoded secret, of the path and the SHA-256 of the
  nonce and the body, as they were sent;
- `nonce`, in the body, is an unsigned 64-bit integer and larger than every earlier one of the key.

Undocumented, so assumed here: the key is checked before the signature, and that before the nonce;
a request whose nonce is refused does not count for the next.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.dialect import PaperRequest
from reconciler.paper.dialects.kraken.answers import refused

KEY_HEADER, SIGNATURE_HEADER = "api-key", "api-sign"
_LARGEST_NONCE = 2**64 - 1


def form_of(request: PaperRequest) -> Mapping[str, str]:
    """Return the parameters of a request: of its query, or of the form or the JSON in its body.

    Raises:
        Refused: they cannot be read.
    """
    if not request.route.is_private:
        return dict(parse_qsl(request.query, keep_blank_values=True))
    if request.headers.get("content-type", "").startswith("application/json"):
        return _json_form(request.body)
    try:
        pairs = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise refused("EAPI:Bad request") from None
    return dict(pairs)


def _json_form(body: bytes) -> Mapping[str, str]:
    try:
        fields = msgspec.json.decode(body, type=dict[str, str | int | float | bool | None])
    except msgspec.DecodeError:
        raise refused("EAPI:Bad request") from None
    return {name: str(value) for name, value in fields.items() if value is not None}


def access_problem(access: AccessPolicy) -> str | None:
    """Say what is wrong with the credentials that the exchange is to accept; None: nothing."""
    if access.passphrase is not None:
        return "the dialect kraken has no passphrase: leave it out"
    if access.public_key is not None or access.jwt_secret is not None:
        return "the dialect kraken signs with a key and its secret: give these"
    if access.api_secret is not None and _decoded(access.api_secret) is None:
        return "the secret is not base64, as Kraken's are: give another"
    return None


def authenticate(request: PaperRequest, view: AccountView) -> None:
    """Check key, signature and nonce of a private request.

    Raises:
        Refused: one of them is missing or wrong.
    """
    key = request.headers.get(KEY_HEADER, "")
    nonce_text = form_of(request).get("nonce", "")
    if view.access.api_key is None and not nonce_text:
        return
    if view.access.api_key is not None:
        _check_signature(request, view.access, nonce_text)
    nonce = _nonce(nonce_text)
    if nonce is None or nonce <= view.nonces.get(key, -1):
        raise refused("EAPI:Invalid nonce")
    view.nonces[key] = nonce


def _check_signature(request: PaperRequest, policy: AccessPolicy, nonce: str) -> None:
    if not _equal(request.headers.get(KEY_HEADER, ""), policy.api_key or ""):
        raise refused("EAPI:Invalid key")
    expected = signature_of(policy.api_secret or "", request, nonce)
    if not _equal(request.headers.get(SIGNATURE_HEADER, ""), expected):
        raise refused("EAPI:Invalid signature")


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def signature_of(secret: str, request: PaperRequest, nonce: str) -> str:
    """Return the signature that a request must have."""
    digest = hashlib.sha256(nonce.encode() + request.body).digest()
    mac = hmac.new(_decoded(secret) or b"", request.path.encode() + digest, hashlib.sha512)
    return base64.b64encode(mac.digest()).decode()


def _decoded(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret, validate=True) or None
    except binascii.Error:
        return None


def _nonce(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(_LARGEST_NONCE)):
        return None
    nonce = int(text)
    return nonce if nonce <= _LARGEST_NONCE else None
