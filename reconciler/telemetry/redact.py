"""Take secrets out of text: the last thing that happens to whatever leaves the process.

A secret gets into a line in ways nobody foresees: in the address of a failed request, in an error's
text, in a traceback. So it is looked for in the finished text, by its value where it is registered
and by its looks where it is not, plain, percent-encoded or escaped within JSON or a repr.

What has a secret's name is masked whatever it is; so are keys that show who has issued them,
private keys, and the numbers of payment cards. Where a sentence speaks of a secret, its next word
is masked unless it is one of those that such sentences go on with.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

MASK = "***"

SHORTEST_SECRET = 4
"""Shorter values are not looked for: taking them out would leave nothing to read."""

_NAME = (
    r"(?:secret|token|passphrase|passcode|password|passwd|pwd|signature"
    r"|(?<![a-z0-9])(?:pw|(?<![a-z0-9] )pass)(?![a-z0-9])"
    r"|(?<![a-z0-9])sign(?![a-z0-9])"
    r"|(?:api|access|account|private|secret|listen|encryption|signing)[_ -]?key"
    r"|authorization|jwt|(?<![a-z0-9])(?:card[_ -]?)?cv[vc]2?(?![a-z0-9])"
    r"|(?<![a-z])(?:credit|debit)?[_ -]?card[_ -]?(?:number|num|no|pin|code)(?![a-z0-9])"
    r"|security[_ ]code)"
)
_HEADER = (
    r"(?:x-mbx-apikey|x-bapi-(?:api-key|sign)|ok-access-(?:key|sign|passphrase)"
    r"|api-(?:key|sign))"
)
_BLANK = r"(?:[ \t]|%20|\+)*"
_COLON, _EQUALS = r"(?::|%3A)", r"(?:=|%3D)"
_QUOTE = r"(?:\\*[\"']|%22|%27|&quot;)"
_PROSE = (
    "a|an|accepted|any|are|as|ask|at|available|by|can|cannot|check|correct|could|empty|equal|error"
    "|expired|field|for|from|given|good|has|have|here|how|in|input|invalid|is|it|its|know|known"
    "|longer|made|malformed|match|may|missing|must|needed|needs|no|none|not|null|of|ok|on|one|only"
    "|optional|or|out|read|refused|reset|changed|required|secret|send|sent|set|shorter|should|that|the|there|this"
    "|to|too|true|false|type|unknown|unset|unused|up|used|valid|value|was|were|what|when|where|which"
    "|with|without|wrong|you|your"
    "|bool|bytes|dict|float|int|list|secretstr|str|tuple"
    "|bearer|basic|digest|token|negotiate|ntlm|apikey|hawk|oauth|signature|aws4-hmac-sha256"
)
"""What follows a secret's name and is none: in a sentence about it ("the token is not valid"), in a
line of code of a traceback ("api_key: str"), and the scheme of an authorization, whose secret comes
after it and is masked by then.
"""
_NO_PROSE = rf"(?!(?:{_PROSE})(?:\[|[.,;:!?)\]\"']*(?:\s|$)))"
_NO_ALGORITHM = r"(?!(?:ed|hmac|sha|rsa|aes|utf|base|x)[_-]?(?:sha[_-]?)?[0-9]+(?![\w]))"
_TELLING_VALUE = (
    rf"{_NO_ALGORITHM}(?![0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
    r"(?=[^\s\"']*[0-9])(?=[^\s\"']*[a-z])[^\s&\"'\\<>]{6,}?(?=[.,;:!?)\]}]*(?:[\s&\"'\\<>]|$))"
)
"""A word that is no word of a sentence: six signs or more, a letter and a digit among them."""
_BARE_VALUE = (
    r"(?:(?!,\s*[\w.-]+\s*[=:])[^\s&\"'\\<>])+?(?=[.,;:)\]}]*(?:[\s&\"'\\<>]|$)|,\s*[\w.-]+\s*[=:])"
)
_ENCODED_VALUE = r"(?:(?!%2[267C])[^\s&\"'\\,;<>()\[\]{}])+"
"""A value within an address that is part of another: it ends at an encoded `&`, quote or comma."""
_QUOTED_VALUE = r"""(?:[^"'\\]|\\+[^"'\\])*"""
_CARD_NUMBER = r"[0-9](?:[ .-]?[0-9]){5,22}"

_ANY_NAME = (
    "secret",
    "token",
    "pass",
    "pwd",
    "pw",
    "sign",
    "key",
    "authorization",
    "jwt",
    "card",
    "cvv",
    "cvc",
    "security",
)


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


def _issued(*hints: str, masked: str) -> _Look:
    """Return the look of a key that shows by its first letters who has issued it."""
    return _Look(hints=hints, before=r"(?<![a-z0-9])", masked=rf"(?-i:{masked})")


_ISSUED = (
    # Amazon Web Services, GitHub, GitLab, Slack, Google, Stripe and others, as each documents them.
    _issued(
        "akia", "asia", "abia", "acca", masked=r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    ),
    _issued("gho_", "ghp_", "ghr_", "ghs_", "ghu_", masked=r"gh[oprsu]_[A-Za-z0-9]{16,}"),
    _issued("github_pat_", masked=r"github_pat_\w{16,}"),
    _issued("glpat-", masked=r"glpat-[\w.-]{16,}"),
    _issued("xox", "xapp-", masked=r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{8,}"),
    _issued("aiza", "ya29.", masked=r"(?:AIza[\w-]{30,}|ya29\.[\w-]{16,})"),
    _issued(
        "_live_", "_test_", "whsec_", masked=r"(?:[a-z]{2}_(?:live|test)|whsec)_[A-Za-z0-9]{8,}"
    ),
    _issued("sk-", masked=r"sk-[\w-]{20,}"),
    _issued("npm_", "pypi-", "hf_", "dop_v1_", masked=r"(?:npm_|pypi-|hf_|dop_v1_)[\w-]{20,}"),
    _issued("hvs.", "sg.", masked=r"(?:hvs\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,})"),
)

_NAMELESS = (
    # A JWT's first two parts begin with eyJ, base64 for {" - or are cut off.
    _Look(hints=("eyj",), before="", masked=r"eyJ[\w-]{8,}(?:\.[\w-]*){0,2}"),
    # To its end, headers and all; to the end of what looks like base64 where it is cut off.
    _Look(
        hints=("private key", "private%20key", "private+key"),
        before="",
        masked=(
            r"-----BEGIN(?:[A-Z0-9 +]|%20)*PRIVATE(?: |%20|\+)KEY(?:[A-Z +]|%20)*-----"
            r"(?:(?:(?!-----BEGIN)[\s\S])*?-----END(?:[A-Z0-9 +]|%20)*PRIVATE(?: |%20|\+)KEY"
            r"(?:[A-Z +]|%20)*-----(?:\\+n|\s)*|(?:[\w+/=\s\\|%:,.]|-(?!----))*)"
        ),
    ),
    # scheme://user:PASSWORD@, whatever the password has in it
    _Look(
        hints=("://",),
        before=r"[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"']{0,200}:",
        masked=r"[^\s\"'<>]{1,500}(?=@)",
    ),
    _Look(hints=("bearer",), before=r"\bbearer(?:\s|%20|\+)+", masked=r"[\w.~+/=%-]{8,}"),
    *_ISSUED,
)

_NAMED = (
    # Authorization: Bearer ..., Authorization: Digest username="...", response="..."
    _Look(
        hints=("authorization",),
        before=(
            rf"authorization{_BLANK}{_COLON}{_BLANK}"
            rf"(?:(?:bearer|basic|digest|token|negotiate|ntlm|apikey|hawk|oauth|signature"
            rf"|aws4-hmac-sha256)(?:[ \t]|%20|\+)+)?"
        ),
        masked=(
            r"(?:[\w-]+=(?:\\*\"[^\"]*\"|[^\s,]+)(?:,[ \t]*[\w-]+=(?:\\*\"[^\"]*\"|[^\s,]+))*"
            r"|[^\s\"'\\,;<>]+(?:[ \t]+[^\s\"'\\,;<>]+)?)"
        ),
    ),
    # X-MBX-APIKEY: ...
    _Look(hints=_ANY_NAME, before=rf"{_HEADER}:\s*", masked=_BARE_VALUE),
    # card_number: 1234 5678 ..., in groups
    _Look(
        hints=("card",),
        before=(
            rf"card[_ -]?(?:number|num|no){_QUOTE}?"
            rf"{_BLANK}(?:{_COLON}|{_EQUALS}|is){_BLANK}{_QUOTE}?"
        ),
        masked=_CARD_NUMBER,
    ),
    # next=https%3A%2F%2Fhost%3Ftoken%3D..., %22password%22%3A%22...%22
    _Look(
        hints=("%3a", "%3d"),
        before=rf"{_NAME}(?:%22|%27)?{_BLANK}(?:%3D|%3A)(?:%3E)?{_BLANK}(?:%22|%27)?",
        masked=_ENCODED_VALUE,
    ),
    # signature=..., &apiKey=..., password = ..., but not a comparison in a line of code
    _Look(hints=_ANY_NAME, before=rf"{_NAME}[ \t]*=[ \t]*(?![=>])", masked=_BARE_VALUE),
    # password hunter2, bad password 'hunter2', password set to hunter2
    _Look(
        hints=_ANY_NAME,
        before=(
            rf"{_NAME}[ \t]+(?:(?:(?:is|was)[ \t]+)?(?:set|reset|changed)[ \t]+to[ \t]+)?"
            rf"(?:\\*[\"'(])?"
        ),
        masked=_TELLING_VALUE,
    ),
    # password: ..., password => ..., password is ..., --api-key ...
    _Look(
        hints=_ANY_NAME,
        before=rf"{_NAME}[ \t]*(?::=?|=>|->)[ \t]*{_NO_PROSE}",
        masked=_BARE_VALUE,
    ),
    _Look(
        hints=_ANY_NAME,
        before=rf"{_NAME}[ \t]+(?:is|was|equals)[ \t]*:?[ \t]+{_NO_PROSE}",
        masked=_BARE_VALUE,
    ),
    # cvv 123
    _Look(
        hints=("cvv", "cvc"),
        before=r"(?<![a-z0-9])cv[vc]2?[ \t]+",
        masked=r"[0-9]{3,4}(?![0-9A-Za-z])",
    ),
    _Look(hints=("--",), before=rf"--[\w-]*{_NAME}[ \t]+(?!-)", masked=_BARE_VALUE),
    # password='...', password: "...", password is "..."
    _Look(
        hints=_ANY_NAME,
        before=rf"{_NAME}[ \t]*(?::=?|=>?|->|[ \t](?:is|was|equals))[ \t]*[a-z]?\\*[\"']",
        masked=_QUOTED_VALUE,
    ),
    # "api_key": "...", ('X-MBX-APIKEY', '...'), {b'authorization': b'...'}, "password" => "..."
    _Look(
        hints=_ANY_NAME,
        before=rf"{_NAME}\\*[\"']\s*(?:[:,]|=>)\s*[a-z]?\\*[\"']",
        masked=_QUOTED_VALUE,
    ),
    # "cvv": 123
    _Look(hints=_ANY_NAME, before=rf"{_NAME}\\*[\"']\s*(?::|=>)\s*", masked=r"-?[0-9][0-9.]*"),
    # <password>...</password>
    _Look(hints=_ANY_NAME, before=rf"<[\w:.-]*{_NAME}>", masked=r"[^<]+"),
)

_NAMELESS_PATTERNS = tuple((look.hints, look.pattern) for look in _NAMELESS)
_NAMED_PATTERNS = tuple((look.hints, look.pattern) for look in _NAMED)

_SECRET_NAME = re.compile(rf"{_NAME}|credential", re.IGNORECASE)

_SEPARATOR = r"(?:[ \u00a0.+-]|%20)"
_CARD = re.compile(
    # From its first digit on, and back from there: nearly every place in a text is passed over.
    r"[2-6](?<!\w[2-6])(?<![0-9][.-][2-6])(?:"
    # Sixteen digits: Visa, Mastercard, Discover, JCB, UnionPay
    r"(?:(?<=4)[0-9]|(?<=5)[1-5]|(?<=2)[2-7]|(?<=6)[0245]|(?<=3)5)"
    rf"[0-9]{{2}}(?:{_SEPARATOR}?[0-9]{{4}}){{3}}"
    # Fifteen, American Express; fourteen, Diners Club
    rf"|(?<=3)[47][0-9]{{2}}{_SEPARATOR}?[0-9]{{6}}{_SEPARATOR}?[0-9]{{5}}"
    rf"|(?<=3)[068][0-9]{{2}}{_SEPARATOR}?[0-9]{{6}}{_SEPARATOR}?[0-9]{{4}}"
    r")(?![0-9A-Za-z_]|[.-][0-9])"
)
_NAMED_ID = re.compile(
    r"(?:orders?|ids?|uid|tim(?:e|estamp)|number|after|cursor|trade|client|at|ms|us|ns|pid|row)"
    r"[\"'\\]*(?:[ \t]*(?:[:=,]|%3[AD]|is)|[ \t]+(?:no\.?|number|id))?[ \t]*[(\[{]?"
    r"(?:[\"'\\]*[0-9]+[\"'\\]*,[ \t]*)*[a-z]?[\"'\\]*$",
    re.IGNORECASE,
)
_LOOK_BACK = 300
"""How many characters before a number are searched for its name."""


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
        text = _CARD.sub(_mask_card, text)
        lowered = text.lower()
        text = _masked(text, lowered, _NAMELESS_PATTERNS)
        if any(hint in lowered for hint in _ANY_NAME) and _SECRET_NAME.search(lowered):
            text = _masked(text, lowered, _NAMED_PATTERNS)
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


def _masked(
    text: str, lowered: str, patterns: Iterable[tuple[tuple[str, ...], re.Pattern[str]]]
) -> str:
    for hints, pattern in patterns:
        if any(hint in lowered for hint in hints):
            text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def _mask_card(match: re.Match[str]) -> str:
    """Return what to write for what has the form of a card's number.

    A bare number that is named as an order's or another id stays: ids of sixteen digits pass Luhn's
    test by chance, one in ten, and an incident is worked with them. Digits in groups are no id.
    """
    written = match[0]
    if not _passes_luhn([int(digit) for digit in re.sub("%20|[^0-9]", "", written)]):
        return written
    before = match.string[max(0, match.start() - _LOOK_BACK) : match.start()]
    if written.isdecimal() and _NAMED_ID.search(before) is not None:
        return written
    return MASK


def _passes_luhn(digits: Sequence[int]) -> bool:
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


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
