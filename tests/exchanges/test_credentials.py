import re
import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from reconciler.exchanges.base import Venue
from reconciler.exchanges.credentials import credential_problems, unused_passphrase, usable_by
from reconciler.exchanges.key_form import KeyForm
from reconciler.exchanges.registry import venue
from reconciler.settings import Credentials, KeyType

KEY_AND_SECRET = Credentials(api_key=SecretStr("key"), api_secret=SecretStr("secret"))
WITH_PASSPHRASE = replace(KEY_AND_SECRET, passphrase=SecretStr("correct horse"))


def a_venue(*, needs_passphrase: bool) -> Venue:
    return replace(venue("binance"), needs_passphrase=needs_passphrase)


@pytest.mark.parametrize(
    ("needs_passphrase", "expected"),
    [(True, WITH_PASSPHRASE), (False, KEY_AND_SECRET)],
    ids=["needed", "not needed"],
)
def test_only_a_venue_that_needs_a_passphrase_gets_one(
    expected: Credentials, *, needs_passphrase: bool
) -> None:
    credentials = usable_by(a_venue(needs_passphrase=needs_passphrase), WITH_PASSPHRASE)

    assert credentials == expected


def test_missing_passphrase_is_a_problem_where_it_is_needed() -> None:
    needing = a_venue(needs_passphrase=True)

    (problem,) = credential_problems(needing, KEY_AND_SECRET, own_url=needing.base_url)

    assert problem.what == "EXCHANGE_API_PASSPHRASE is not set, and binance signs with one"
    assert credential_problems(needing, WITH_PASSPHRASE, own_url=needing.base_url) == []


@pytest.mark.parametrize("value", ["p\n", "p\r\nX: 1", " p", "p ", "pässword", "p\x7f"], ids=repr)
def test_secrets_that_no_header_can_carry_are_named_at_the_start(value: str) -> None:
    needing, secret = a_venue(needs_passphrase=True), SecretStr(value)
    credentials = replace(WITH_PASSPHRASE, api_key=secret, passphrase=secret)

    problems = credential_problems(needing, credentials, own_url=needing.base_url)

    assert [problem.what.split(" holds ")[0] for problem in problems] == [
        "EXCHANGE_API_KEY",
        "EXCHANGE_API_PASSPHRASE",
    ]
    assert value not in "".join(map(str, problems))


@pytest.mark.parametrize("mark", ['"', "'"])
def test_key_and_secret_within_quotation_marks_are_named_at_the_start(mark: str) -> None:
    quoted, plain = SecretStr(f"{mark}abcdef{mark}"), a_venue(needs_passphrase=False)
    credentials = Credentials(api_key=quoted, api_secret=quoted)

    problems = credential_problems(plain, credentials, own_url=plain.base_url)

    assert [problem.what.split(" begins ")[0] for problem in problems] == [
        "EXCHANGE_API_KEY",
        "EXCHANGE_API_SECRET",
    ]
    assert "abcdef" not in "".join(map(str, problems))


def test_unused_passphrase_need_not_be_sendable() -> None:
    plain = a_venue(needs_passphrase=False)
    credentials = replace(KEY_AND_SECRET, passphrase=SecretStr("p\n"))

    assert credential_problems(plain, credentials, own_url=plain.base_url) == []


def test_unused_passphrase_is_remarked_on_and_no_problem() -> None:
    plain = a_venue(needs_passphrase=False)

    remark = unused_passphrase(plain, WITH_PASSPHRASE)

    assert remark is not None
    assert "horse" not in str(remark)
    assert credential_problems(plain, WITH_PASSPHRASE, own_url=plain.base_url) == []
    assert unused_passphrase(plain, KEY_AND_SECRET) is None
    assert unused_passphrase(a_venue(needs_passphrase=True), WITH_PASSPHRASE) is None


A_KEY = "organizations/6a7f/apiKeys/1b2c"
KEYED = replace(
    venue("binance"),
    name="keyed",
    key_types=frozenset({KeyType.ES256, KeyType.ED25519}),
    key_form=KeyForm(
        bare_secret=KeyType.ED25519,
        api_key=re.compile(r"organizations/[0-9a-f]+/apiKeys/[0-9a-f]+"),
        api_key_example="organizations/{organization}/apiKeys/{id}",
    ),
)


def keyed(api_key: str, secret: str) -> list[str]:
    credentials = Credentials(api_key=SecretStr(api_key), api_secret=SecretStr(secret))
    problems = credential_problems(KEYED, credentials, own_url=KEYED.base_url)
    return [problem.what for problem in problems]


def test_key_and_secret_in_the_form_of_the_venue_are_accepted() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )

    assert keyed(A_KEY, pem.decode().replace("\n", "\\n")) == []


def test_key_and_secret_in_another_form_are_both_named() -> None:
    assert keyed(f"{A_KEY}/", "a shared secret") == [
        "EXCHANGE_API_KEY does not look like a key of keyed",
        "EXCHANGE_API_SECRET cannot be read as a private key",
    ]


def test_key_of_a_kind_that_the_venue_does_not_take_is_named() -> None:
    pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )

    assert keyed(A_KEY, pem.decode()) == [
        "EXCHANGE_API_SECRET is of the kind rsa, and keyed takes ed25519 or es256"
    ]


def test_only_private_keys_load_cryptography() -> None:
    """A worker with an HMAC secret does not pay 8 MiB for it."""
    program = (
        "import sys\n"
        "from pydantic import SecretStr\n"
        "import reconciler.exchanges.web_token\n"
        "from reconciler.exchanges.key_form import KeyForm\n"
        "from reconciler.exchanges.signing import load_signing_key\n"
        "from reconciler.settings import Credentials\n"
        "secret = Credentials(api_secret=SecretStr('c2VjcmV0'))\n"
        "form = KeyForm(hmac_digest='sha512', is_secret_base64=True)\n"
        "load_signing_key(secret, form).sign(b'payload')\n"
        "print('cryptography' in sys.modules)\n"
    )

    printed = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert printed.stdout == "False\n"


def pem_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


P256 = pem_of(ec.generate_private_key(ec.SECP256R1()))
RSA = pem_of(rsa.generate_private_key(public_exponent=65537, key_size=2048))
NO_KEY = "EXCHANGE_API_KEY does not look like a key of coinbase"


@pytest.mark.parametrize(
    ("name", "secret", "passphrase", "said"),
    [
        ("binance", P256, None, ["is of the kind es256, and binance takes ed25519 or hmac or rsa"]),
        ("bybit", P256, None, ["is of the kind es256, and bybit takes hmac or rsa"]),
        ("kraken", "no base64!", None, ["is no base64 text, as the secrets of this exchange are"]),
        ("kraken", RSA, None, ["is of the kind rsa, and kraken takes hmac"]),
        ("okx", "kept by its owner", None, ["EXCHANGE_API_PASSPHRASE is not set"]),
        ("okx", RSA, "open sesame", ["is of the kind rsa, and okx takes hmac"]),
        (
            "coinbase",
            RSA,
            None,
            [NO_KEY, "is of the kind rsa, and coinbase takes ed25519 or es256"],
        ),
        ("coinbase", "kept by its owner", None, [NO_KEY, "cannot be read as a private key"]),
        ("coinbase", P256, None, [NO_KEY]),
    ],
)
def test_each_venue_names_a_key_that_another_one_issued(
    name: str, secret: str, passphrase: str | None, said: list[str]
) -> None:
    at = venue(name)
    credentials = Credentials(
        api_key=SecretStr("key"),
        api_secret=SecretStr(secret),
        passphrase=None if passphrase is None else SecretStr(passphrase),
    )

    problems = credential_problems(at, credentials, own_url=at.base_url)

    assert len(problems) == len(said)
    for problem, text in zip(problems, said, strict=True):
        assert text in problem.what
        assert secret not in str(problem)
