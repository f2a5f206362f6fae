"""Signatures, against vectors that others have published and against ccxt's signer."""

import ccxt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr

from reconciler.exchanges.bybit.constants import VENUE
from reconciler.exchanges.bybit.signing import signature_of, signed_headers
from reconciler.exchanges.credentials import credential_problems
from reconciler.exchanges.signing import load_signing_key
from reconciler.settings import Credentials, KeyType

QUERIES = ("", "category=spot&limit=50", "category=spot&cursor=1%253A2%252C3%253A4")


def credentials_of(secret: str, key_type: KeyType | None = None) -> Credentials:
    return Credentials(
        api_key=SecretStr("test_api_key"), api_secret=SecretStr(secret), key_type=key_type
    )


@pytest.fixture(scope="module")
def rsa_pem() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_get_is_signed_as_nautilus_trader_signs_it() -> None:
    # crates/adapters/bybit/src/common/credential.rs of nautechsystems/nautilus_trader, its test
    # vector for a GET, read 2026-11-28. Bybit publishes a signature, but not its secret.
    headers = signed_headers(
        load_signing_key(credentials_of("test_secret")),
        api_key="test_api_key",
        query="category=linear&symbol=BTCUSDT",
        timestamp_ms=1700000000000,
    )

    assert headers == {
        "X-BAPI-API-KEY": "test_api_key",
        "X-BAPI-TIMESTAMP": "1700000000000",
        "X-BAPI-RECV-WINDOW": "5000",
        "X-BAPI-SIGN": "fd4f31228a46109dc6673062328693696df9a96c7ff04e6491a45e7f63a0fdd7",
    }


def test_body_is_signed_as_nautilus_trader_signs_it() -> None:
    body = '{"category": "linear", "symbol": "BTCUSDT", "orderLinkId": "test-order-1"}'

    signature = signature_of(
        load_signing_key(credentials_of("test_secret")), f"1700000000000test_api_key5000{body}"
    )

    assert signature == "2df4a0603d69c08d5dea29ba85b46eb7db64ce9e9ebd34a7802a3d69700cb2a1"


def test_text_to_sign_is_the_one_of_bybit_s_example() -> None:
    # guide.mdx, "Create A Request": the text of its example for a GET.
    class Recorder:
        type = KeyType.HMAC
        signed = b""

        def sign(self, payload: bytes) -> bytes:
            self.signed = payload
            return b"\x41\x0e"

    key = Recorder()

    headers = signed_headers(
        key,
        api_key="XXXXXXXXXX",
        query="category=option&symbol=BTC-29JUL22-25000-C",
        timestamp_ms=1658384314791,
    )

    assert key.signed == b"1658384314791XXXXXXXXXX5000category=option&symbol=BTC-29JUL22-25000-C"
    assert headers["X-BAPI-SIGN"] == "410e"


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("kind", [KeyType.HMAC, KeyType.RSA])
def test_signature_is_the_one_of_ccxt(kind: KeyType, query: str, rsa_pem: str) -> None:
    secret = "test_secret" if kind is KeyType.HMAC else rsa_pem
    client = ccxt.bybit({"apiKey": "test_api_key", "secret": secret})
    client.nonce = lambda: 1700000000000
    client.rawencode = lambda _parameters: query

    by_ccxt = client.sign("v5/order/realtime", ["private"], "GET", {})
    ours = signed_headers(
        load_signing_key(credentials_of(secret)),
        api_key="test_api_key",
        query=query,
        timestamp_ms=1700000000000,
    )

    assert by_ccxt["headers"]["X-BAPI-SIGN"] == ours["X-BAPI-SIGN"]


def test_ed25519_key_is_refused_at_start() -> None:
    bare = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----".format(
        "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
    )

    problems = credential_problems(VENUE, credentials_of(bare), own_url=VENUE.base_url)

    assert len(problems) == 1
    assert "EXCHANGE_API_SECRET" in problems[0].what
