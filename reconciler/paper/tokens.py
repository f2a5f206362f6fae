"""Bearer tokens: mint HS256 JWTs for clients, and check those in requests.

PyJWT checks format and signature. The times in the claims are checked here, by the caller's clock,
so that the error can say when the token expired.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import msgspec
from jwt.algorithms import HMACAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidAlgorithmError, InvalidSignatureError, PyJWTError

ALGORITHM = "HS256"


class TokenRefused(Exception):
    """A bearer token is missing or wrong."""


class _HmacWithAnySecret(HMACAlgorithm):
    """HMAC without a warning about short secrets: this exchange guards only simulated orders."""

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002  # PyJWT's signature
        return None


_JWS = PyJWS()
_JWS.unregister_algorithm(ALGORITHM)
_JWS.register_algorithm(ALGORITHM, _HmacWithAnySecret(HMACAlgorithm.SHA256))


def mint(secret: str, *, subject: str, now: datetime, lifetime: timedelta) -> str:
    """Make a token that is valid from `now` for `lifetime`."""
    claims = {
        "sub": subject,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
    }
    return _JWS.encode(msgspec.json.encode(claims), secret, ALGORITHM)


def check_token(secret: str, token: str | None, now_ms: int) -> None:
    """Check a request's bearer token; `token` is None if it has none.

    A token without `exp` never expires.

    Raises:
        TokenRefused: the message says what is wrong with the token.
    """
    if not token:
        _refuse("no token: send 'Authorization: Bearer <JWT>'")
    claims = _read(secret, token)
    expires, begins = claims.get("exp"), claims.get("nbf")
    if expires is not None and now_ms >= _milliseconds("exp", expires):
        _refuse(f"the token expired at {_format_time(expires)}: send a fresh one")
    if begins is not None and now_ms < _milliseconds("nbf", begins):
        _refuse(f"the token is not valid before {_format_time(begins)}")


def _read(secret: str, token: str) -> Mapping[str, Any]:
    try:
        claims = msgspec.json.decode(_JWS.decode(token, secret, [ALGORITHM]))
    except InvalidSignatureError:
        _refuse("the token's signature does not match: it was made with another JWT secret")
    except InvalidAlgorithmError:
        _refuse(f"the token must be signed with {ALGORITHM}")
    except (PyJWTError, msgspec.DecodeError) as error:
        _refuse(f"the token is no JWT: {error}")
    if not isinstance(claims, dict):
        _refuse("the token is no JWT: its payload is no JSON object")
    return claims


def _milliseconds(claim: str, seconds: object) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        _refuse(f"the token's claim '{claim}' is not a number of seconds")
    return seconds * 1000


def _format_time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"


def _refuse(what: str) -> NoReturn:
    raise TokenRefused(what) from None
