"""The public half of an API key, Ed25519 or RSA, as its owner gives it to the exchange.

Source: faqs/api_key_types.md of binance-spot-api-docs, read 2026-11-27.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Verifies signatures in base64."""

    key: Ed25519PublicKey | RSAPublicKey

    @classmethod
    def read(cls, pem: bytes) -> Self:
        """Read a PEM public key.

        Raises:
            ValueError: `pem` is not a PEM public key, or a key of another kind.
        """
        key = load_pem_public_key(pem)
        if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
            raise ValueError("the public key must be an Ed25519 or an RSA key")  # noqa: TRY004 - of a value
        return cls(key)

    def verifies(self, query: str, signature: str) -> bool:
        """Return True if the key's owner signed the query, as it was sent, with `signature`."""
        try:
            signed = base64.b64decode(signature, validate=True)
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signed, query.encode())
            else:
                self.key.verify(signed, query.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (binascii.Error, InvalidSignature):
            return False
        return True
