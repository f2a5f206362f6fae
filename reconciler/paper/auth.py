"""The credentials that the exchange accepts.

How a request proves that it has them is the dialect's: see `Dialect.authenticate`.
"""

from dataclasses import dataclass, field

from reconciler.paper.public_key import PublicKey


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessPolicy:
    """The accepted credentials. Each configured kind suffices; without any, none are needed.

    Attributes:
        api_key: The key's name, as requests send it.
        api_secret: The key's secret, as its owner has it.
        public_key: Verifies the key's signatures, instead of a secret that both sides know.
        passphrase: The third part of a key, at the venues that have one.
        jwt_secret: Accept HS256 bearer tokens made with it, in dialects that know them.
    """

    api_key: str | None = field(default=None, repr=False)
    api_secret: str | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    jwt_secret: str | None = field(default=None, repr=False)
    public_key: PublicKey | None = None

    def __post_init__(self) -> None:
        if (self.api_key is None) != (self.api_secret is None and self.public_key is None):
            raise ValueError("an API key needs its secret, and a secret its key: give both")
        if self.api_secret is not None and self.public_key is not None:
            raise ValueError("an API key has a secret or a public key, not both")
