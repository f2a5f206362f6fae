"""Keys as people paste them, and signatures that other programs verify."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from reconciler.errors import ConfigurationError
from reconciler.exchanges.api_client import percent_encode
from reconciler.exchanges.binance.api import signature_of
from reconciler.exchanges.key_form import KeyForm
from reconciler.exchanges.signing import load_signing_key, raw_ecdsa_signature
from reconciler.exchanges.web_token import signed_compact, web_token
from reconciler.paper.process import PaperProcess
from reconciler.paper.public_key import PublicKey
from reconciler.settings import Credentials, KeyType

PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
P256 = ec.generate_private_key(ec.SECP256R1())
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


def pem_of(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem_of(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


KRAKEN_FORM = KeyForm(hmac_digest="sha512", is_secret_base64=True)


def base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


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


@pytest.mark.parametrize(
    ("secret", "key_type", "said"),
    [
        (public_pem_of(ED25519).decode(), None, "is a public key"),
        (_encrypted(), None, "is a private key that is locked with a password"),
        (_old_encrypted(), None, "is a private key that is locked with a password"),
        (
            pem_of(ec.generate_private_key(ec.SECP384R1())),
            None,
            "is no Ed25519, RSA or ES256 key (ECDSA with the curve P-256)",
        ),
        (pem_of(ED25519)[:80], None, "is only part of a PEM key"),
        (
            '{"id": "1", "privateKey": "AAAA"}',
            None,
            "is JSON, such as the file of a key, and not the key in it",
        ),
        (pem_of(ED25519).replace("MC4C", "AAAA"), None, "cannot be read as a private key"),
        (
            pem_of(ED25519),
            KeyType.RSA,
            "is a key of the kind ed25519, but EXCHANGE_KEY_TYPE is rsa",
        ),
        (pem_of(RSA), KeyType.HMAC, "is a key of the kind rsa, but EXCHANGE_KEY_TYPE is hmac"),
        ("an HMAC secret", KeyType.ED25519, "cannot be read as a private key"),
        ("an HMAC secret", KeyType.ES256, "cannot be read as a private key"),
        (pem_of(P256), KeyType.RSA, "is a key of the kind es256, but EXCHANGE_KEY_TYPE is rsa"),
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
        "another elliptic curve",
        "cut off",
        "JSON",
        "damaged",
        "Ed25519 for RSA",
        "RSA for HMAC",
        "HMAC for Ed25519",
        "HMAC for ES256",
        "ES256 for RSA",
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
    for secret in ("hidden-hmac-secret", pem_of(ED25519), pem_of(RSA), pem_of(P256)):
        assert "hidden" not in repr(load_signing_key(credentials(secret)))
        assert "PrivateKey" not in repr(load_signing_key(credentials(secret)))


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED.keys())
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_pasted_key_of_the_curve_p256_is_recognised_in_every_form(
    form: PrivateFormat, pasted: Callable[[str], str]
) -> None:
    pem = P256.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    key = load_signing_key(credentials(pasted(pem)))

    assert key.type is KeyType.ES256
    signature = key.sign(b"payload")
    assert len(signature) == 64
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    P256.public_key().verify(encode_dss_signature(r, s), b"payload", ec.ECDSA(hashes.SHA256()))


# RFC 6979, appendix A.2.5: ECDSA over P-256 with SHA-256 of "sample" and of "test".
RFC_6979_SIGNATURES = [
    (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    (
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
    ),
]


@pytest.mark.parametrize(("r", "s"), RFC_6979_SIGNATURES, ids=["sample", "test"])
def test_ecdsa_signature_of_the_rfc_becomes_its_two_numbers(r: str, s: str) -> None:
    der = encode_dss_signature(int(r, 16), int(s, 16))

    assert raw_ecdsa_signature(der).hex().upper() == r + s


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            "sha512",
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ),
        ),
    ],
)
def test_hmac_equals_that_of_rfc_4231_case_2(
    digest: Literal["sha256", "sha512"], expected: str
) -> None:
    key = load_signing_key(credentials("Jefe"), KeyForm(hmac_digest=digest))

    assert key.sign(b"what do ya want for nothing?").hex() == expected


def test_hmac_with_a_base64_secret_equals_the_example_of_kraken() -> None:
    """docs.kraken.com, "Spot REST Authentication", read 2026-11-28."""
    secret = (
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    nonce = "1616492376594"
    body = f"nonce={nonce}&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
    payload = b"/0/private/AddOrder" + hashlib.sha256((nonce + body).encode()).digest()

    key = load_signing_key(credentials(secret), KRAKEN_FORM)

    assert base64.b64encode(key.sign(payload)).decode() == (
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


@pytest.mark.parametrize("secret", ["no base64!", "abc", "kQH5HW_8p1uG"])
def test_hmac_secret_that_is_no_base64_where_it_must_be_is_named(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_signing_key(credentials(secret), KRAKEN_FORM)

    (problem,) = caught.value.problems
    assert problem.what == (
        "EXCHANGE_API_SECRET is no base64 text, as the secrets of this exchange are"
    )


@pytest.mark.parametrize("with_public_half", [True, False])
def test_bare_ed25519_key_is_read_where_the_exchange_issues_such(*, with_public_half: bool) -> None:
    private = ED25519.private_bytes_raw()
    public = ED25519.public_key().public_bytes_raw() if with_public_half else b""

    key = load_signing_key(
        credentials(base64.b64encode(private + public).decode()),
        KeyForm(bare_secret=KeyType.ED25519),
    )

    assert key.type is KeyType.ED25519
    ED25519.public_key().verify(key.sign(b"payload"), b"payload")


def test_bare_ed25519_key_with_the_public_half_of_another_is_refused() -> None:
    mixed = ED25519.private_bytes_raw() + bytes.fromhex(RFC_SEED)

    with pytest.raises(ConfigurationError, match="two halves do not belong together"):
        load_signing_key(
            credentials(base64.b64encode(mixed).decode()), KeyForm(bare_secret=KeyType.ED25519)
        )


def test_es256_web_token_is_verified_with_the_public_key() -> None:
    token = web_token(
        load_signing_key(credentials(pem_of(P256))), {"sub": "me", "exp": 120}, {"kid": "me"}
    )

    header, claims, signature = token.split(".")
    assert json.loads(base64url(header)) == {"alg": "ES256", "typ": "JWT", "kid": "me"}
    assert json.loads(base64url(claims)) == {"sub": "me", "exp": 120}
    raw = base64url(signature)
    P256.public_key().verify(
        encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])),
        f"{header}.{claims}".encode(),
        ec.ECDSA(hashes.SHA256()),
    )


def test_eddsa_compact_form_equals_the_example_of_rfc_8037() -> None:
    """RFC 8037, appendix A.4, with the key of A.1."""
    seed = base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
    key = load_signing_key(
        credentials(base64.b64encode(seed).decode()), KeyForm(bare_secret=KeyType.ED25519)
    )

    compact = signed_compact(key, b'{"alg":"EdDSA"}', b"Example of Ed25519 signing")

    assert compact == (
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


def test_es256_compact_form_has_the_signing_input_of_rfc_7515() -> None:
    """RFC 7515, appendix A.3: its header and payload, and its own signature verifies alike."""
    private = ec.derive_private_key(
        int.from_bytes(base64url("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")), ec.SECP256R1()
    )
    payload = b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}'
    published = (
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )

    compact = signed_compact(
        load_signing_key(credentials(pem_of(private))), b'{"alg":"ES256"}', payload
    )

    signed, _, signature = compact.rpartition(".")
    assert signed == (
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    for one in (signature, published):
        raw = base64url(one)
        private.public_key().verify(
            encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])),
            signed.encode(),
            ec.ECDSA(hashes.SHA256()),
        )


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
