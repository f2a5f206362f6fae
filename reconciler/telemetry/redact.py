"""Take secrets out of text: the last thing that happens to whatever leaves the process.

A secret gets into a line in ways nobody foresees: in the address of a failed request, in an error's
text, in a traceback. So it is looked for in the finished text, by its value where it is registered
and by its looks where it is not, plain, percent-encoded or escaped within JSON or a repr.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

MASK = "***"

SHORTEST_SECRET = 4
"""Shorter values are not looked for: taking them out would leave nothing to read."""

_NAME = (
    r"(?:secret|token|passphrase|password|passwd|pwd|signature|(?<![a-z0-9])sign(?![a-z0-9])"
    r"|(?:api|access|private|listen)[_-]?key|authorization|jwt)"
)
_HEADER = (
    r"(?:authorization|x-mbx-apikey|x-bapi-(?:api-key|sign)|ok-access-(?:key|sign|passphrase)"
    r"|api-(?:key|sign))"
)
_BARE_VALUE = r"""[^\s&"'\\,;<>()\[\]{}]+"""
_QUOTED_VALUE = r"""(?:[^"'\\]|\\+[^"'\\])*"""

_ANY_NAME = ("secret", "token", "pass", "pwd", "sign", "key", "authorization", "jwt")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What an unregistered secret looks like.

    Attributes:
        hints: Text without any of these, in lower case, holds no such secret: looking for a plain
            word costs a tenth of looking for a pattern.
        before: What comes before the secret and stays; quotes too, so that JSON stays JSON.
        masked: The secret itself.
    """

    hints: tuple[str, ...]
    before: str
    masked: str

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(rf"({self.before}){self.masked}", re.IGNORECASE)


_LOOKS = (
    # A JWT's first two parts begin with eyJ, base64 for {" - or are cut off.
    _Look(hints=("eyj",), before="", masked=r"eyJ[\w-]{8,}(?:\.[\w-]*){0,2}"),
    _Look(
        hints=("private key",),
        before="",
        masked=r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\w+/=\s\\|-]*",
    ),
    # scheme://user:PASSWORD@, whatever the password has in it
    _Look(
        hints=("://",),
        before=r"[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"']{0,200}:",
        masked=r"[^\s\"'<>]{1,500}(?=@)",
    ),
    _Look(hints=("bearer",), before=r"\bbearer\s+", masked=r"[\w.~+/=-]{8,}"),
    # Authorization: Bearer ..., X-MBX-APIKEY: ...
    _Look(hints=_ANY_NAME, before=rf"{_HEADER}:\s*(?:bearer\s+|basic\s+)?", masked=_BARE_VALUE),
    # signature=..., &apiKey=..., also in an address that is part of another
    _Look(hints=_ANY_NAME, before=rf"{_NAME}(?:=|%3D)", masked=_BARE_VALUE),
    _Look(hints=_ANY_NAME, before=rf"{_NAME}=b?\\*[\"']", masked=_QUOTED_VALUE),
    # "api_key": "...", ('X-MBX-APIKEY', '...'), {b'authorization': b'...'}
    _Look(
        hints=_ANY_NAME,
        before=rf"{_NAME}\\*[\"']\s*[:,]\s*b?\\*[\"']",
        masked=_QUOTED_VALUE,
    ),
)
_PATTERNS = tuple((look.hints, look.pattern) for look in _LOOKS)

_SECRET_NAME = re.compile(rf"{_NAME}|credential", re.IGNORECASE)


class Redactor:
    """Replace secrets by `MASK`: those given, and whatever looks like one."""

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        values = {part for secret in secrets for part in _parts(secret.get_secret_value())}
        spelled = [_spellings(value) for value in sorted(values, key=len, reverse=True)]
        self._registered = re.compile("|".join(spelled)) if spelled else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._registered is not None:
            text = self._registered.sub(MASK, text)
        lowered = text.lower()
        for hints, pattern in _PATTERNS:
            if any(hint in lowered for hint in hints):
                text = pattern.sub(rf"\g<1>{MASK}", text)
        return text


_redactor = Redactor()


def register_secrets(secrets: Iterable[SecretStr]) -> None:
    """Let `redact` know the values of this process' secrets, in place of those it knew."""
    global _redactor  # noqa: PLW0603 - one set of secrets per process, like its log
    _redactor = Redactor(secrets)


def redact(text: str) -> str:
    """Return `text` without this process' registered secrets and without what looks like one."""
    return _redactor(text)


def mask_named(value: object) -> object:
    """Return `value`, masked wherever a mapping within it has a key that names a secret."""
    match value:
        case dict():
            return {
                key: MASK if is_secret_name(key) else mask_named(item)
                for key, item in value.items()
            }
        case list() | tuple():
            return [mask_named(item) for item in value]
        case _:
            return value


def is_secret_name(name: object) -> bool:
    """Whether what goes by this name is a secret: `api_key`, `X-MBX-APIKEY`, `db_password`."""
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def _parts(secret: str) -> set[str]:
    """Return what to look for: of an address its password, of a key of several lines each line."""
    lines = (line.strip() for part in _passwords(secret) or {secret} for line in part.splitlines())
    return {line for line in lines if len(line) >= SHORTEST_SECRET}


def _passwords(secret: str) -> set[str]:
    """Return the password of an address, plain and encoded; nothing if there is none to hide.

    A password that is the user's or the database's name is left out: that word is everywhere, and
    the address is recognised by its looks.
    """
    try:
        address = urlsplit(secret)
        password = address.password or ""
    except ValueError:
        return set()
    if not address.scheme:
        return set()
    return {password, unquote(password)} - {"", address.username, address.path.lstrip("/")}


def _spellings(secret: str) -> str:
    return "".join(_spelling(character) for character in secret)


def _spelling(character: str) -> str:
    """Return a pattern for every way in which a character of a secret may be written."""
    if character.isascii() and character.isalnum():
        return character
    percent = quote(character, safe="", errors="surrogatepass")
    ways = [re.escape(character), f"(?i:{re.escape(percent)})"]
    ways += [_escaped(form) for form in (json.dumps(character)[1:-1], repr(character)[1:-1])]
    if character == " ":
        ways.append(r"\+")
    if character == "'":
        ways.append(_escaped(r"\'"))  # In the repr of a text that also has a double quote.
    return f"(?:{'|'.join(dict.fromkeys(ways))})"


def _escaped(form: str) -> str:
    """Return a pattern for an escape sequence that may itself have been escaped again."""
    return r"\\+".join(re.escape(part) for part in form.split("\\"))
