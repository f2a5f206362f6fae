"""Keys as people paste them, and signatures that other programs verify."""

import base64
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from reconciler.errors import ConfigurationError
from reconciler.exchanges.binance.api_client import percent_encode, signature_of
from reconciler.exchanges.signing import load_signing_key
from reconciler.paper.process import PaperProcess
from reconciler.paper.public_key import PublicKey
from reconciler.settings import Credentials, KeyType

ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: dict[KeyType, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey] = {
    KeyType.ED25519: ED25519,
    KeyType.RSA: RSA,
}
QUERY = "symbol=%EF%BC%91%EF%BC%92&recvWindow=5000&timestamp=1668481559918"

# RFC 8032, section 7.1, TEST 2: PKCS#8 is this prefix and the seed.
RFC_SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
RFC_MESSAGE = bytes.fromhex("72")
RFC_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
PKCS8_PREFIX = "302e020100300506032b657004220420"


def pem_of(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem_of(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def credentials(secret: str, key_type: KeyType | None = None) -> Credentials:
    return Credentials(api_key=SecretStr("key"), api_secret=SecretStr(secret), key_type=key_type)


PASTED: dict[str, Callable[[str], str]] = {
    "as it is": lambda pem: pem,
    "with a literal backslash n": lambda pem: pem.replace("\n", "\\n"),
    "in one line with blanks": lambda pem: pem.replace("\n", " "),
    "in one line": lambda pem: pem.replace("\n", ""),
    "with the line breaks of Windows": lambda pem: pem.replace("\n", "\r\n"),
    "indented": lambda pem: pem.replace("\n", "\n    "),
    "with blank lines around it": lambda pem: f"\n\n{pem}\n\n",
    "without its first and last line": lambda pem: "".join(pem.splitlines()[1:-1]),
}


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED.keys())
@pytest.mark.parametrize("kind", KEYS)
def test_pasted_private_key_is_recognised_in_every_form(
    kind: KeyType, pasted: Callable[[str], str]
) -> None:
    key = load_signing_key(credentials(pasted(pem_of(KEYS[kind]))))

    assert key.type is kind
    assert PublicKey.read(public_pem_of(KEYS[kind])).verifies(QUERY, signature_of(key, QUERY))


@pytest.mark.parametrize(
    ("key", "form"),
    [(RSA, PrivateFormat.TraditionalOpenSSL), (ED25519, PrivateFormat.OpenSSH)],
    ids=["PKCS#1", "OpenSSH"],
)
def test_other_pem_forms_of_a_private_key_are_read(
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, form: PrivateFormat
) -> None:
    pem = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    signature = signature_of(load_signing_key(credentials(pem)), QUERY)

    assert PublicKey.read(public_pem_of(key)).verifies(QUERY, signature)


@pytest.mark.parametrize(
    "secret",
    ["NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j", "MII", "x", "MIIE" * 16],
)
def test_secret_that_is_no_private_key_signs_by_hmac(secret: str) -> None:
    assert load_signing_key(credentials(secret)).type is KeyType.HMAC


def test_ed25519_signature_equals_that_of_the_rfc() -> None:
    der = bytes.fromhex(PKCS8_PREFIX + RFC_SEED)

    signature = load_signing_key(credentials(base64.b64encode(der).decode())).sign(RFC_MESSAGE)

    assert signature.hex() == RFC_SIGNATURE


def test_rsa_signature_equals_that_of_openssl(tmp_path: Path) -> None:
    pem = tmp_path / "private.pem"
    pem.write_text(pem_of(RSA))
    openssl = subprocess.run(  # noqa: S603 - Binance documents this very command
        ["openssl", "dgst", "-sha256", "-sign", str(pem)],  # noqa: S607 - wherever it is
        input=QUERY.encode(),
        capture_output=True,
        check=True,
    )

    signature = signature_of(load_signing_key(credentials(pem.read_text())), QUERY)

    assert base64.b64decode(signature) == openssl.stdout


def _encrypted() -> str:
    return ED25519.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
    ).decode()


def _old_encrypted() -> str:
    return RSA.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"open sesame")
    ).decode()


def _elliptic() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    )


@pytest.mark.parametrize(
    ("secret", "key_type", "said"),
    [
        (public_pem_of(ED25519).decode(), None, "is a public key"),
        (_encrypted(), None, "is a private key that is locked with a password"),
        (_old_encrypted(), None, "is a private key that is locked with a password"),
        (_elliptic(), None, "is neither an Ed25519 nor an RSA key"),
        (pem_of(ED25519)[:80], None, "is only part of a PEM key"),
        (pem_of(ED25519).replace("MC4C", "AAAA"), None, "cannot be read as a private key"),
        (
            pem_of(ED25519),
            KeyType.RSA,
            "is a key of the kind ed25519, but EXCHANGE_KEY_TYPE is rsa",
        ),
        (pem_of(RSA), KeyType.HMAC, "is a key of the kind rsa, but EXCHANGE_KEY_TYPE is hmac"),
        ("an HMAC secret", KeyType.ED25519, "cannot be read as a private key"),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            None,
            "is a PEM certificate",
        ),
    ],
    ids=[
        "public key",
        "locked",
        "locked in the old form",
        "elliptic curve",
        "cut off",
        "damaged",
        "Ed25519 for RSA",
        "RSA for HMAC",
        "HMAC for Ed25519",
        "certificate",
    ],
)
def test_a_secret_that_cannot_sign_is_named_and_not_shown(
    secret: str, key_type: KeyType | None, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_signing_key(credentials(secret, key_type))

    (problem,) = caught.value.problems
    assert problem.what == f"EXCHANGE_API_SECRET {said}"
    assert secret.splitlines()[-1] not in str(caught.value)


def test_signing_key_is_not_shown_by_its_repr() -> None:
    for secret in ("hidden-hmac-secret", pem_of(ED25519), pem_of(RSA)):
        assert "hidden" not in repr(load_signing_key(credentials(secret)))
        assert "PrivateKey" not in repr(load_signing_key(credentials(secret)))


@pytest.fixture(params=KEYS, ids=str)
def signing_exchange(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[KeyType, PaperProcess]]:
    kind: KeyType = request.param
    public = tmp_path / "public.pem"
    public.write_bytes(public_pem_of(KEYS[kind]))
    with PaperProcess(api_key="key", options=["--public-key-file", str(public)]) as exchange:
        yield kind, exchange


def test_paper_exchange_accepts_only_the_right_signature(
    signing_exchange: tuple[KeyType, PaperProcess],
) -> None:
    kind, exchange = signing_exchange
    key = load_signing_key(credentials(pem_of(KEYS[kind])))

    def fetch(payload: str, signature: str) -> httpx.Response:
        query = f"{payload}&{percent_encode({'signature': signature})}"
        return httpx.get(f"{exchange.url}/api/v3/account?{query}", headers={"X-MBX-APIKEY": "key"})

    now_ms = httpx.get(f"{exchange.url}/api/v3/time").json()["serverTime"]
    payload = f"timestamp={now_ms}"

    assert fetch(payload, signature_of(key, payload)).status_code == 200
    assert fetch(payload, signature_of(key, "timestamp=1")).json()["code"] == -1022
    assert fetch(payload, "no base64!").json()["code"] == -1022
