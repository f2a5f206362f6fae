"""How an exchange writes the keys that it issues, as data of the venue."""

import re
from dataclasses import dataclass
from typing import Literal

from reconciler.settings import KeyType


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyForm:
    """The form of an exchange's API keys and of their secrets.

    Attributes:
        bare_secret: What a secret is that is no PEM key: `HMAC`, or `ED25519` for the base64 of its
            32 bytes, alone or with the 32 bytes of its public half.
        hmac_digest: The digest of HMAC signatures.
        is_secret_base64: True if an HMAC key is what the secret decodes to, not its text.
        api_key: What every API key of the exchange matches as a whole. None if nothing is said.
        api_key_example: Such a key, for people.
    """

    bare_secret: Literal[KeyType.HMAC, KeyType.ED25519] = KeyType.HMAC
    hmac_digest: Literal["sha256", "sha512"] = "sha256"
    is_secret_base64: bool = False
    api_key: re.Pattern[str] | None = None
    api_key_example: str = ""


ANY_KEY = KeyForm()
"""API keys of any form, and secrets that sign with HMAC-SHA256 as they are."""
