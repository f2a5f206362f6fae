r"""Signing keys: HMAC, Ed25519, RSA or ES256, recognized by the form of the secret.

    the secret looks like              it is
    ---------------------              -----
    -----BEGIN ... PRIVATE KEY-----    Ed25519, RSA or ES256, as its content says
    base64 of such a key               the same, without its first and last line
    anything else                      what the exchange's `KeyForm` says: HMAC, or bare Ed25519

A key pasted into one line, with blanks or a literal `\n` for its line breaks, is read too. Only
keys other than HMAC load `cryptography`: it takes 8 MiB that a worker with an HMAC secret does not
need.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.key_form import ANY_KEY, KeyForm
from reconciler.settings import Credentials, KeyType

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_SPACE = re.compile(r"(?:\\[nr]|\s)+")
_LINE = 64

_BARE_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "MC4CAQAwBQYDK2Vw": "PRIVATE KEY",  # Ed25519
        "MIIE": "PRIVATE KEY",  # RSA
        "MIIJ": "PRIVATE KEY",
        "MIGHAgEAMBMGByqGSM49": "PRIVATE KEY",  # P-256, in PKCS#8
        "MHcCAQEE": "EC PRIVATE KEY",  # P-256, in SEC 1
    }
)
"""The label in the first line of a key, by its first bytes in base64."""

_PRIVATE_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY")
_HALF = 32
"""Bytes of each half of an Ed25519 key (RFC 8032), and of each number in an ES256 signature."""


class SigningKey(Protocol):
    """A key that signs requests. No repr shows it."""

    @property
    def type(self) -> KeyType:
        """Its type."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """Return the bytes of the signature, not encoded."""
        ...


def load_signing_key(credentials: Credentials, form: KeyForm = ANY_KEY) -> SigningKey:
    """Load the signing key from the secret. Without a secret it is an empty HMAC key.

    `form` is the exchange's.

    Raises:
        ConfigurationError: the secret is not a valid key of the expected type. The message does not
            repeat the secret.
    """
    if credentials.api_secret is None:
        return HmacKey(secret=b"", digest=form.hmac_digest)
    text = credentials.api_secret.get_secret_value().strip()
    expected = credentials.key_type
    found = _PEM.search(text)
    if found is None and "-----" in text:
        raise _unusable("is only part of a PEM key", "set it to the whole key, with both its lines")
    if found is not None:
        return _private_key(found[1], _SPACE.sub("", found[2]), expected)
    if text.startswith("{"):
        raise _unusable(
            "is JSON, such as the file of a key, and not the key in it",
            "set it to the value of the private key in that file, without quotation marks",
        )
    bare = _SPACE.sub("", text)
    if expected is not KeyType.HMAC and _is_bare_key(bare):
        return _private_key(_bare_label(bare), bare, expected)
    match expected or form.bare_secret:
        case KeyType.HMAC:
            return _hmac_key(text, form)
        case KeyType.ED25519 if (halves := _ed25519_halves(bare)) is not None:
            return _bare_ed25519(*halves)
        case _:
            return _private_key("PRIVATE KEY", bare, expected)


@dataclass(frozen=True, kw_only=True, slots=True)
class HmacKey:
    """HMAC-SHA256 or HMAC-SHA512 with a shared secret (RFC 2104)."""

    secret: bytes = field(repr=False)
    digest: Literal["sha256", "sha512"] = "sha256"
    type: KeyType = KeyType.HMAC

    def sign(self, payload: bytes) -> bytes:
        """Return the 32 or 64 bytes of the digest."""
        return hmac.digest(self.secret, payload, self.digest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ed25519Key:
    """Ed25519 (RFC 8032)."""

    key: Any = field(repr=False)
    type: KeyType = KeyType.ED25519

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        signature: bytes = self.key.sign(payload)
        return signature


@dataclass(frozen=True, kw_only=True, slots=True)
class RsaKey:
    """RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017)."""

    key: Any = field(repr=False)
    type: KeyType = KeyType.RSA

    def sign(self, payload: bytes) -> bytes:
        """Return the signature, as long as the key's modulus."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see the module
        from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415 - the same

        signature: bytes = self.key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
        return signature


@dataclass(frozen=True, kw_only=True, slots=True)
class Es256Key:
    """ECDSA with the curve P-256 and SHA-256, its signature as in a web token (RFC 7518, 3.4)."""

    key: Any = field(repr=False)
    type: KeyType = KeyType.ES256

    def sign(self, payload: bytes) -> bytes:
        """Return the 64 bytes of the signature: r and s, big-endian."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - see the module
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - the same

        return raw_ecdsa_signature(self.key.sign(payload, ec.ECDSA(hashes.SHA256())))


def raw_ecdsa_signature(der: bytes) -> bytes:
    """Return r and s of an ECDSA signature over P-256 in DER, 32 bytes each."""
    from cryptography.hazmat.primitives.asymmetric.utils import (  # noqa: PLC0415 - see the module
        decode_dss_signature,
    )

    r, s = decode_dss_signature(der)
    return r.to_bytes(_HALF) + s.to_bytes(_HALF)


def _hmac_key(text: str, form: KeyForm) -> HmacKey:
    if not form.is_secret_base64:
        return HmacKey(secret=text.encode(), digest=form.hmac_digest)
    try:
        secret = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise _unusable(
            "is no base64 text, as the secrets of this exchange are",
            "copy it again, whole, as the exchange showed it when the key was made",
        ) from None
    return HmacKey(secret=secret, digest=form.hmac_digest)


def _ed25519_halves(text: str) -> tuple[bytes, bytes] | None:
    """Return the private half of a bare Ed25519 key and the public one, which may be missing.

    None if the text is not the base64 of 32 or 64 bytes.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    if len(content) not in {_HALF, 2 * _HALF}:
        return None
    return content[:_HALF], content[_HALF:]


def _bare_ed25519(private: bytes, public: bytes) -> Ed25519Key:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see the module
        Ed25519PrivateKey,
    )

    key = Ed25519PrivateKey.from_private_bytes(private)
    if public not in {b"", key.public_key().public_bytes_raw()}:
        raise _unusable(
            "is an Ed25519 key whose two halves do not belong together", "copy it again, whole"
        )
    return Ed25519Key(key=key)


def _is_bare_key(text: str) -> bool:
    """Return True for a key's base64 without the lines around it; HMAC secrets are far shorter."""
    return len(text) >= _LINE and text.startswith(tuple(_BARE_LABELS)) and _is_sequence(text)


def _bare_label(text: str) -> str:
    return next(label for prefix, label in _BARE_LABELS.items() if text.startswith(prefix))


def _is_sequence(text: str) -> bool:
    """Return True for the base64 of one whole DER sequence, as every key is."""
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    if der[1] < 0x80:  # noqa: PLR2004 - the short form of a length in DER
        return len(der) == 2 + der[1]
    size = der[1] & 0x7F
    return len(der) == 2 + size + int.from_bytes(der[2 : 2 + size])


def _private_key(label: str, body: str, expected: KeyType | None) -> SigningKey:
    if label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in body.upper()[:40]:
        raise _unusable(
            "is a private key that is locked with a password",
            "unlock it with: openssl pkey -in KEY.pem -out UNLOCKED.pem",
        )
    if "PUBLIC KEY" in label:
        raise _unusable("is a public key", "set it to the private key that belongs to it")
    if label not in _PRIVATE_LABELS:
        raise _unusable(
            f"is a PEM {label.lower()}", "set it to a private key: Ed25519, RSA or ES256"
        )
    key = _load_private_key(label, body)
    if expected not in {None, key.type}:
        raise _unusable(
            f"is a key of the kind {key.type}, but EXCHANGE_KEY_TYPE is {expected}",
            f"set EXCHANGE_KEY_TYPE to {key.type}, or unset it",
        )
    return key


def _load_private_key(label: str, body: str) -> SigningKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 - the same
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - the same
        load_pem_private_key,
        load_ssh_private_key,
    )

    lines = [body[start : start + _LINE] for start in range(0, len(body), _LINE)]
    pem = "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
    load = load_ssh_private_key if label.startswith("OPENSSH") else load_pem_private_key
    try:
        key = load(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(
            "cannot be read as a private key",
            "copy it again, whole; or name the file in EXCHANGE_API_SECRET_FILE",
        ) from None
    match key:
        case ed25519.Ed25519PrivateKey():
            return Ed25519Key(key=key)
        case rsa.RSAPrivateKey():
            return RsaKey(key=key)
        case ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()):
            return Es256Key(key=key)
        case _:
            raise _unusable(
                "is no Ed25519, RSA or ES256 key (ECDSA with the curve P-256)",
                "make a key of one of these",
            )


def _unusable(reason: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(what=f"EXCHANGE_API_SECRET {reason}", hint=hint)])
