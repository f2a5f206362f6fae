import warnings
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from reconciler.paper.tokens import TokenRefused, check_token, mint

SECRET = "a secret that is longer than thirty-two bytes"
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def a_token(secret: str = SECRET, lifetime: timedelta = timedelta(hours=1)) -> str:
    return mint(secret, subject="demo", now=NOW, lifetime=lifetime)


def a_token_of(claims: dict[str, object], algorithm: str = "HS256") -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode(claims, SECRET, algorithm)


def refusal_of(token: str | None, secret: str = SECRET) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        check_token(secret, token, NOW_MS)
    return caught.value


@pytest.mark.parametrize("secret", [SECRET, "short"])
def test_minted_token_is_accepted_with_its_secret(secret: str) -> None:
    check_token(secret, a_token(secret), NOW_MS)


def test_token_made_with_plain_pyjwt_is_accepted() -> None:
    check_token(SECRET, a_token_of({"sub": "demo", "exp": NOW_MS // 1000 + 1}), NOW_MS)


def test_token_without_an_expiry_never_expires() -> None:
    check_token(SECRET, a_token_of({"sub": "demo"}), NOW_MS)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (None, "no token: send 'Authorization: Bearer <JWT>'"),
        ("", "no token"),
        ("not.a.jwt", "no JWT"),
        ("nonsense", "no JWT"),
        (a_token("another secret of more than thirty-two bytes"), "signature does not match"),
        (a_token(lifetime=timedelta(0)), "expired at 2026-11-24T06:00:00Z"),
        (a_token_of({"exp": 10**30}) + "x", "signature does not match"),
        (a_token_of({"nbf": NOW_MS // 1000 + 60}), "not valid before 2026-11-24T06:01:00Z"),
        (a_token_of({"sub": "demo"}, "HS512"), "signed with HS256"),
    ],
    ids=["none", "empty", "dots", "word", "forged", "expired", "altered", "early", "algorithm"],
)
def test_refusal_says_what_is_wrong_with_the_token(token: str | None, reason: str) -> None:
    assert reason in str(refusal_of(token))


def test_refusal_of_a_token_does_not_show_the_secret() -> None:
    assert SECRET not in str(refusal_of("nonsense"))
