"""The token of a request, checked by PyJWT with the public key."""

import base64
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import SecretStr

from reconciler.exchanges.coinbase.constants import VENUE
from reconciler.exchanges.coinbase.signing import request_token
from reconciler.exchanges.credentials import credential_problems
from reconciler.exchanges.signing import load_signing_key
from reconciler.settings import Credentials

from .samples import API_KEY, NOW, PEM, PRIVATE_KEY, SIGNED

ED25519 = ed25519.Ed25519PrivateKey.generate()
BARE = base64.b64encode(
    ED25519.private_bytes_raw() + ED25519.public_key().public_bytes_raw()
).decode()
UNTIMED = {"verify_exp": False, "verify_nbf": False}


@pytest.mark.parametrize(
    ("secret", "algorithm", "public"),
    [
        (PEM, "ES256", PRIVATE_KEY.public_key()),
        (PEM.replace("\n", "\\n"), "ES256", PRIVATE_KEY.public_key()),
        (BARE, "EdDSA", ED25519.public_key()),
    ],
    ids=["P-256", "P-256 in one line", "Ed25519"],
)
def test_token_says_who_asks_what_and_for_how_long(
    secret: str, algorithm: str, public: object
) -> None:
    credentials = Credentials(api_key=SecretStr(API_KEY), api_secret=SecretStr(secret))

    token = request_token(
        load_signing_key(credentials, VENUE.key_form),
        api_key=API_KEY,
        method="GET",
        url="https://api.coinbase.com/api/v3/brokerage/accounts?limit=1",
        server_time=NOW + timedelta(milliseconds=999),
        nonce="0123",
    )

    assert jwt.get_unverified_header(token) == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": API_KEY,
        "nonce": "0123",
    }
    begins = int(NOW.timestamp()) - 1
    assert jwt.decode(token, public, [algorithm], options=UNTIMED) == {  # type: ignore[arg-type]  # each of its kinds
        "sub": API_KEY,
        "iss": "cdp",
        "nbf": begins,
        "exp": begins + 120,
        "uri": "GET api.coinbase.com/api/v3/brokerage/accounts",
    }


def test_each_token_has_a_nonce_of_its_own() -> None:
    key = load_signing_key(SIGNED, VENUE.key_form)

    nonces = {
        jwt.get_unverified_header(
            request_token(
                key, api_key=API_KEY, method="GET", url="https://h.example/p", server_time=NOW
            )
        )["nonce"]
        for _ in range(20)
    }

    assert len(nonces) == 20


@pytest.mark.parametrize(
    "api_key", [API_KEY, API_KEY.rpartition("/")[2], API_KEY.rpartition("/")[2].upper()]
)
def test_key_by_its_name_or_its_id_is_accepted(api_key: str) -> None:
    credentials = Credentials(api_key=SecretStr(api_key), api_secret=SecretStr(PEM))

    assert credential_problems(VENUE, credentials, own_url=VENUE.base_url) == []


@pytest.mark.parametrize(
    ("api_key", "secret", "said"),
    [
        ("my-key", PEM, ["EXCHANGE_API_KEY does not look like a key of coinbase"]),
        (API_KEY.upper(), PEM, ["EXCHANGE_API_KEY does not look like a key of coinbase"]),
        (f"{API_KEY} ", PEM, ["EXCHANGE_API_KEY holds a blank", "EXCHANGE_API_KEY does not look"]),
        (API_KEY, "a shared secret", ["EXCHANGE_API_SECRET cannot be read as a private key"]),
        (API_KEY, None, ["EXCHANGE_API_SECRET is not set"]),
        (None, PEM, ["EXCHANGE_API_KEY is not set"]),
    ],
)
def test_malformed_credentials_are_named_at_the_start(
    api_key: str | None, secret: str | None, said: list[str]
) -> None:
    credentials = Credentials(
        api_key=None if api_key is None else SecretStr(api_key),
        api_secret=None if secret is None else SecretStr(secret),
    )

    problems = credential_problems(VENUE, credentials, own_url=VENUE.base_url)

    assert len(problems) == len(said)
    for problem, text in zip(problems, said, strict=True):
        assert problem.what.startswith(text)
