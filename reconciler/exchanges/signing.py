r"""Signing keys: HMAC, Ed25519 or RSA, recognized by the form of the secret.

    the secret looks like              it is
    ---------------------              -----
    -----BEGIN ... PRIVATE KEY-----    Ed25519 or RSA, as its content says
    base64 of such a key               the same, without its first and last line
    anything else                      HMAC-SHA256

A key pasted into one line, with blanks or a literal `\n` for its line breaks, is read too. Only
Ed25519 and RSA load `cryptography`: it takes 8 MiB that a worker with an HMAC secret does not need.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciler.errors import ConfigurationError, Problem
from reconciler.settings import Credentials, KeyType

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_SPACE = re.compile(r"(?:\\[nr]|\s)+")
_LINE = 64

# The first bytes of every PKCS#8 key of that kind, in base64.
_BARE_PREFIXES = ("MC4CAQAwBQYDK2Vw", "MIIE", "MIIJ")
_PRIVATE_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY")


class SigningKey(Protocol):
    """A key that signs requests. No repr shows it."""

    @property
    def type(self) -> KeyType:
        """Its type."""
        ...

    def sign(self, payload: bytes) -> bytes:
        """Return the bytes of the signature, not encoded."""
        ...


def load_signing_key(credentials: Credentials) -> SigningKey:
    """Load the signing key from the secret. Without a secret it is an empty HMAC key.

    Raises:
        ConfigurationError: the secret is not a valid key of the expected type. The message does not
            repeat the secret.
    """
    if credentials.api_secret is None:
        return HmacKey(secret=b"")
    text = credentials.api_secret.get_secret_value().strip()
    expected = credentials.key_type
    found = _PEM.search(text)
    if found is None and "-----" in text:
        raise _unusable("is only part of a PEM key", "set it to the whole key, with both its lines")
    if found is not None:
        return _private_key(found[1], _SPACE.sub("", found[2]), expected)
    bare = _SPACE.sub("", text)
    if expected not in {None, KeyType.HMAC} or (expected is None and _is_bare_key(bare)):
        return _private_key("PRIVATE KEY", bare, expected)
    return HmacKey(secret=text.encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class HmacKey:
    """HMAC-SHA256 with a shared secret."""

    secret: bytes = field(repr=False)
    type: KeyType = KeyType.HMAC

    def sign(self, payload: bytes) -> bytes:
        """Return the 32 bytes of the digest."""
        return hmac.new(self.secret, payload, hashlib.sha256).digest()


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


def _is_bare_key(text: str) -> bool:
    """Return True for a key's base64 without the lines around it; HMAC secrets are far shorter."""
    return len(text) >= _LINE and text.startswith(_BARE_PREFIXES) and _is_sequence(text)


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
        raise _unusable(f"is a PEM {label.lower()}", "set it to a private key, Ed25519 or RSA")
    key = _load_private_key(label, body)
    if expected not in {None, key.type}:
        raise _unusable(
            f"is a key of the kind {key.type}, but EXCHANGE_KEY_TYPE is {expected}",
            f"set EXCHANGE_KEY_TYPE to {key.type}, or unset it",
        )
    return key


def _load_private_key(label: str, body: str) -> SigningKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa  # noqa: PLC0415 - the same
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
        case _:
            raise _unusable("is neither an Ed25519 nor an RSA key", "make a key of one of these")


def _unusable(reason: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(what=f"EXCHANGE_API_SECRET {reason}", hint=hint)])
