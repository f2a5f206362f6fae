"""Make keys for a paper exchange, as a venue issues them: for the demo and for tests.

A dialect says which kind its venue has: see `Dialect.new_key`.
"""

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # It takes 8 MiB, for `cryptography`.
    from reconciler.paper.auth import AccessPolicy


@dataclass(frozen=True, kw_only=True, slots=True)
class NewKey:
    """A key as its owner gets it, in the settings of the reconciler.

    Attributes:
        api_key: EXCHANGE_API_KEY.
        api_secret: EXCHANGE_API_SECRET: text, or a private key in PEM.
        passphrase: EXCHANGE_API_PASSPHRASE.
        public_pem: The public half that the exchange keeps, if it does not know the secret.
    """

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)
    public_pem: bytes | None = None

    @property
    def access(self) -> "AccessPolicy":
        """What an exchange keeps to accept this key."""
        from reconciler.paper.auth import AccessPolicy  # noqa: PLC0415 - takes 8 MiB
        from reconciler.paper.public_key import PublicKey  # noqa: PLC0415 - as above

        public = None if self.public_pem is None else PublicKey.read(self.public_pem)
        return AccessPolicy(
            api_key=self.api_key,
            api_secret=self.api_secret if public is None else None,
            passphrase=self.passphrase,
            public_key=public,
        )


def new_hmac_key(*, passphrase: str | None = None) -> NewKey:
    """Make a key whose secret is text."""
    return NewKey(
        api_key=secrets.token_hex(16), api_secret=secrets.token_hex(32), passphrase=passphrase
    )


def new_base64_key() -> NewKey:
    """Make a key whose name and secret are bytes in base64, as Kraken's are."""
    return NewKey(
        api_key=base64.b64encode(secrets.token_bytes(42)).decode(),
        api_secret=base64.b64encode(secrets.token_bytes(64)).decode(),
    )


def new_p256_key(api_key: str) -> NewKey:
    """Make a P-256 key with that name; its secret is the private half in PEM (SEC 1)."""
    from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: PLC0415 - takes 8 MiB
        SECP256R1,
        generate_private_key,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    private = generate_private_key(SECP256R1())
    return NewKey(
        api_key=api_key,
        api_secret=private.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        ).decode(),
        public_pem=private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
    )
