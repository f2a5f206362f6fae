"""The public half of an API key, as its owner gives it to the exchange: Ed25519, RSA or P-256.

Sources: faqs/api_key_types.md of binance-spot-api-docs, read 2026-11-27, for Ed25519 and RSA; a
P-256 key signs ES256 web tokens, which a dialect checks with `key` itself.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Verifies signatures in base64."""

    key: Ed25519PublicKey | RSAPublicKey | EllipticCurvePublicKey

    @classmethod
    def read(cls, pem: bytes) -> Self:
        """Read a PEM public key.

        Raises:
            ValueError: `pem` is not a PEM public key, or a key of another kind.
        """
        key = load_pem_public_key(pem)
        if isinstance(key, Ed25519PublicKey | RSAPublicKey):
            return cls(key)
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            return cls(key)
        raise ValueError("the public key must be an Ed25519, an RSA or a P-256 key")

    def verifies(self, query: str, signature: str) -> bool:
        """Return True if the key's owner signed the query, as it was sent, with `signature`.

        For Ed25519 and RSA keys; a P-256 key verifies nothing here.
        """
        try:
            signed = base64.b64decode(signature, validate=True)
            if isinstance(self.key, Ed25519PublicKey):
                self.key.verify(signed, query.encode())
            elif isinstance(self.key, RSAPublicKey):
                self.key.verify(signed, query.encode(), padding.PKCS1v15(), hashes.SHA256())
            else:
                return False
        except (binascii.Error, InvalidSignature):
            return False
        return True
