"""Mask secrets in text, as the last step before it leaves the process.

A secret can get into a line in many ways: in the address of a failed request, in an error's text,
in a traceback. So the finished text is searched: for the values of registered secrets, and for the
form of others; plain, percent-encoded, or escaped within JSON or a repr.

A value with a secret's name is always masked; so are keys that show who has issued them, private
keys, and numbers of payment cards. If a sentence names a secret, its next word is masked, unless it
is a word that usually follows in such a sentence.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

MASK = "***"

MIN_SECRET_CHARACTERS = 4
"""Shorter values are not masked: too much of the text would go with them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretName:
    """How the name of a header, parameter, field or setting ends whose value is a secret.

    Attributes:
        keyword: What stands in each such name, in lower case. The search for a plain word costs a
            tenth of the search for a pattern.
        pattern: The end of the name: "sign" is that of `X-BAPI-SIGN`. As a word alone it has
            nothing but `-`, `_` or a blank before and after it.
        is_in_sentences: True if people write it with a secret: "the password is hunter2". Others
            are more often a plain word, and count where they clearly name a value.
    """

    keyword: str
    pattern: str
    is_in_sentences: bool = True


def _word(pattern: str) -> str:
    # After %3F or %26 a name begins, too.
    return rf"(?:(?<![a-z0-9])|(?<=%[0-9a-f]{{2}})){pattern}(?![a-z0-9])"


SECRET_NAMES = (
    SecretName(keyword="secret", pattern="secret"),
    SecretName(keyword="token", pattern="token"),
    SecretName(keyword="pass", pattern="pass(?:phrase|code|word|wd)"),
    SecretName(keyword="pass", pattern=_word("(?<![a-z0-9] )pass")),
    SecretName(keyword="pwd", pattern="pwd"),
    SecretName(keyword="pw", pattern=_word("pw")),
    SecretName(keyword="signature", pattern="signature"),
    SecretName(keyword="sign", pattern=_word("sign")),
    SecretName(keyword="sig", pattern=_word("sig"), is_in_sentences=False),
    SecretName(keyword="hmac", pattern=_word("hmac"), is_in_sentences=False),
    SecretName(
        keyword="key",
        pattern="(?:api|access|account|private|secret|listen|encryption|signing)[_ -]?key",
    ),
    SecretName(keyword="authorization", pattern="authorization"),
    SecretName(keyword="auth", pattern=_word("auth"), is_in_sentences=False),
    SecretName(keyword="credential", pattern="credentials?", is_in_sentences=False),
    SecretName(keyword="jwt", pattern="jwt"),
    SecretName(keyword="otp", pattern=_word("t?otp"), is_in_sentences=False),
    SecretName(keyword="cookie", pattern="cookie", is_in_sentences=False),
    SecretName(keyword="cv", pattern=_word("(?:card[_ -]?)?cv[vc]2?")),
    SecretName(
        keyword="card",
        pattern=(
            r"(?<![a-z])(?:credit|debit)?[_ -]?card[_ -]?(?:number|num|no|pin|code)(?![a-z0-9])"
        ),
    ),
    SecretName(keyword="security", pattern="security[_ ]code"),
)
"""Every name of a secret; all patterns and `is_secret_name` are made of it.

A field that is only called `key` is not among them: most are no secrets. The account's own key is
registered, and masked whatever its field is called.
"""


def _any_of(names: Iterable[SecretName]) -> str:
    return f"(?:{'|'.join(name.pattern for name in names)})"


_NAME = _any_of(SECRET_NAMES)
_NAME_IN_SENTENCE = _any_of(name for name in SECRET_NAMES if name.is_in_sentences)
_NAME_KEYWORDS = tuple(dict.fromkeys(name.keyword for name in SECRET_NAMES))

_BLANK = r"(?:[ \t]|%20|\+)*"
_COLON, _EQUALS = r"(?::|%3A)", r"(?:=|%3D)"
_QUOTE = r"(?:\\*[\"']|%22|%27|&quot;)"
_KNOWN_SCHEMES = (
    "bearer|basic|digest|token|negotiate|ntlm|apikey|hawk|oauth|signature|aws4-hmac-sha256"
)
_PROSE = (
    "a|an|accepted|any|are|as|ask|at|available|by|can|cannot|check|correct|could|empty|equal|error"
    "|expired|field|for|from|given|good|has|have|here|how|in|input|invalid|is|it|its|know|known"
    "|longer|made|malformed|match|may|missing|must|needed|needs|no|none|not|null|of|ok|on|one|only"
    "|optional|or|out|read|refused|reset|changed|required|secret|send|sent|set|shorter|should|that|the|there|this"
    "|to|too|true|false|type|unknown|unset|unused|up|used|valid|value|was|were|what|when|where|which"
    "|with|without|wrong|you|your"
    "|bool|bytes|dict|float|int|list|secretstr|str|tuple"
    f"|{_KNOWN_SCHEMES}"
)
"""Words after a secret's name that are no secret: in a sentence ("the token is not valid") or in a
line of code of a traceback ("api_key: str"), and the scheme of an authorization, whose secret
follows and is masked by then.
"""
_NO_PROSE = rf"(?!(?:{_PROSE})(?:\[|[.,;:!?)\]\"']*(?:\s|$)))"
_NO_ALGORITHM = r"(?!(?:ed|hmac|sha|rsa|aes|utf|base|x)[_-]?(?:sha[_-]?)?[0-9]+(?![\w]))"
_RANDOM_VALUE = (
    rf"{_NO_ALGORITHM}(?![0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
    r"(?=[^\s\"']*[0-9])(?=[^\s\"']*[a-z])[^\s&\"'\\<>]{6,}?(?=[.,;:!?)\]}]*(?:[\s&\"'\\<>]|$))"
)
"""No word of a sentence: six characters or more, with a letter and a digit among them."""
_SCHEME = rf"[a-z][\w-]{{0,30}}[ \t]+(?={_RANDOM_VALUE}|[\w+/.~-]{{16,}}=*(?![\w=]))"
"""A word before a secret that says how it is used: "BITSTAMP" in `X-Auth: BITSTAMP ...`."""
_BARE_VALUE = (
    r"(?:(?!,\s*[\w.-]+\s*[=:])[^\s&\"'\\<>])+?(?=[.,;:)\]}]*(?:[\s&\"'\\<>]|$)|,\s*[\w.-]+\s*[=:])"
)
_ENCODED_VALUE = r"(?:(?!%2[267C])[^\s&\"'\\,;<>()\[\]{}])+"
"""A value within an address that is part of another: it ends at an encoded `&`, quote or comma."""
_QUOTED_VALUE = r"""(?:[^"'\\]|\\+[^"'\\])*"""
_CARD_NUMBER = r"[0-9](?:[ .-]?[0-9]){5,22}"


@dataclass(frozen=True, kw_only=True)
class _SecretPattern:
    """The form of a secret that is not registered.

    Attributes:
        keywords: A text without any of these, in lower case, holds no such secret. The search for
            a plain word costs a tenth of the search for a pattern.
        prefix: The pattern of what precedes the secret and stays, with quotes, so that JSON stays
            JSON.
        value: The pattern of the secret itself.
    """

    keywords: tuple[str, ...]
    prefix: str
    value: str

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Compiled at its first use: most processes never see a text with the keywords."""
        return re.compile(rf"({self.prefix}){self.value}", re.IGNORECASE)


def _issuer_key(*keywords: str, value: str) -> _SecretPattern:
    """Return the form of a key whose first letters show who has issued it."""
    return _SecretPattern(keywords=keywords, prefix=r"(?<![a-z0-9])", value=rf"(?-i:{value})")


_ISSUER_KEYS = (
    # Amazon Web Services, GitHub, GitLab, Slack, Google, Stripe and others, as each documents them.
    _issuer_key(
        "akia", "asia", "abia", "acca", value=r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    ),
    _issuer_key("gho_", "ghp_", "ghr_", "ghs_", "ghu_", value=r"gh[oprsu]_[A-Za-z0-9]{16,}"),
    _issuer_key("github_pat_", value=r"github_pat_\w{16,}"),
    _issuer_key("glpat-", value=r"glpat-[\w.-]{16,}"),
    _issuer_key("xox", "xapp-", value=r"(?:xox[a-z]|xapp)-[A-Za-z0-9-]{8,}"),
    _issuer_key("aiza", "ya29.", value=r"(?:AIza[\w-]{30,}|ya29\.[\w-]{16,})"),
    _issuer_key(
        "_live_", "_test_", "whsec_", value=r"(?:[a-z]{2}_(?:live|test)|whsec)_[A-Za-z0-9]{8,}"
    ),
    _issuer_key("sk-", value=r"sk-[\w-]{20,}"),
    _issuer_key("npm_", "pypi-", "hf_", "dop_v1_", value=r"(?:npm_|pypi-|hf_|dop_v1_)[\w-]{20,}"),
    _issuer_key("hvs.", "sg.", value=r"(?:hvs\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,})"),
)

_UNNAMED_SECRETS = (
    # A JWT's first two parts begin with eyJ, base64 for {" - or are cut off.
    _SecretPattern(keywords=("eyj",), prefix="", value=r"eyJ[\w-]{8,}(?:\.[\w-]*){0,2}"),
    # To its end, headers and all; to the end of what looks like base64 where it is cut off.
    _SecretPattern(
        keywords=("private key", "private%20key", "private+key"),
        prefix="",
        value=(
            r"-----BEGIN(?:[A-Z0-9 +]|%20)*PRIVATE(?: |%20|\+)KEY(?:[A-Z +]|%20)*-----"
            r"(?:(?:(?!-----BEGIN)[\s\S])*?-----END(?:[A-Z0-9 +]|%20)*PRIVATE(?: |%20|\+)KEY"
            r"(?:[A-Z +]|%20)*-----(?:\\+n|\s)*|(?:[\w+/=\s\\|%:,.]|-(?!----))*)"
        ),
    ),
    # scheme://user:PASSWORD@, whatever the password has in it
    _SecretPattern(
        keywords=("://",),
        prefix=r"[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"']{0,200}:",
        value=r"[^\s\"'<>]{1,500}(?=@)",
    ),
    _SecretPattern(
        keywords=("bearer",), prefix=r"\bbearer(?:\s|%20|\+)+", value=r"[\w.~+/=%-]{8,}"
    ),
    *_ISSUER_KEYS,
)

_NAMED_SECRETS = (
    # Authorization: Bearer ..., Authorization: Digest username="...", response="..."
    _SecretPattern(
        keywords=("authorization",),
        prefix=(
            rf"authorization{_BLANK}{_COLON}{_BLANK}"
            rf"(?:(?:{_KNOWN_SCHEMES})(?:[ \t]|%20|\+)+)?"
        ),
        value=(
            r"(?:[\w-]+=(?:\\*\"[^\"]*\"|[^\s,]+)(?:,[ \t]*[\w-]+=(?:\\*\"[^\"]*\"|[^\s,]+))*"
            r"|[^\s\"'\\,;<>]+(?:[ \t]+[^\s\"'\\,;<>]+)?)"
        ),
    ),
    # X-MBX-APIKEY: ..., X-Auth: BITSTAMP ..., Cookie: session=...; csrf=...
    _SecretPattern(
        keywords=("cookie",), prefix=rf"cookie{_BLANK}{_COLON}{_BLANK}", value=r"[^\r\n\"'\\<>]+"
    ),
    _SecretPattern(
        keywords=_NAME_KEYWORDS,
        prefix=(
            rf"(?<=-){_NAME}:[ \t]*(?:(?:{_KNOWN_SCHEMES})[ \t]+)?"
            rf"|{_NAME_IN_SENTENCE}:[ \t]*{_NO_PROSE}(?={_SCHEME})"
        ),
        value=rf"(?:{_SCHEME})?{_BARE_VALUE}",
    ),
    # card_number: 1234 5678 ..., in groups
    _SecretPattern(
        keywords=("card",),
        prefix=(
            rf"card[_ -]?(?:number|num|no){_QUOTE}?"
            rf"{_BLANK}(?:{_COLON}|{_EQUALS}|is){_BLANK}{_QUOTE}?"
        ),
        value=_CARD_NUMBER,
    ),
    # next=https%3A%2F%2Fhost%3Ftoken%3D..., %22password%22%3A%22...%22
    _SecretPattern(
        keywords=("%3a", "%3d"),
        prefix=rf"{_NAME}(?:%22|%27)?{_BLANK}(?:%3D|%3A)(?:%3E)?{_BLANK}(?:%22|%27)?",
        value=_ENCODED_VALUE,
    ),
    # signature=..., &apiKey=..., password = ..., but not a comparison in a line of code
    _SecretPattern(
        keywords=_NAME_KEYWORDS, prefix=rf"{_NAME}[ \t]*=[ \t]*(?![=>])", value=_BARE_VALUE
    ),
    # password hunter2, bad password 'hunter2', password set to hunter2
    _SecretPattern(
        keywords=_NAME_KEYWORDS,
        prefix=(
            rf"{_NAME_IN_SENTENCE}[ \t]+"
            rf"(?:(?:(?:is|was)[ \t]+)?(?:set|reset|changed)[ \t]+to[ \t]+)?"
            rf"(?:\\*[\"'(])?"
        ),
        value=_RANDOM_VALUE,
    ),
    # password: ..., password => ..., password is ..., --api-key ...
    _SecretPattern(
        keywords=_NAME_KEYWORDS,
        prefix=rf"{_NAME_IN_SENTENCE}[ \t]*(?::=?|=>|->)[ \t]*{_NO_PROSE}",
        value=_BARE_VALUE,
    ),
    _SecretPattern(
        keywords=_NAME_KEYWORDS,
        prefix=rf"{_NAME_IN_SENTENCE}[ \t]+(?:is|was|equals)[ \t]*:?[ \t]+{_NO_PROSE}",
        value=_BARE_VALUE,
    ),
    # cvv 123
    _SecretPattern(
        keywords=("cvv", "cvc"),
        prefix=r"(?<![a-z0-9])cv[vc]2?[ \t]+",
        value=r"[0-9]{3,4}(?![0-9A-Za-z])",
    ),
    _SecretPattern(keywords=("--",), prefix=rf"--[\w-]*{_NAME}[ \t]+(?!-)", value=_BARE_VALUE),
    # password='...', password: "...", password is "..."
    _SecretPattern(
        keywords=_NAME_KEYWORDS,
        prefix=rf"{_NAME}[ \t]*(?::=?|=>?|->|[ \t](?:is|was|equals))[ \t]*[a-z]?\\*[\"']",
        value=_QUOTED_VALUE,
    ),
    # "api_key": "...", ('X-MBX-APIKEY', '...'), {b'authorization': b'...'}, "password" => "..."
    _SecretPattern(
        keywords=_NAME_KEYWORDS,
        prefix=rf"{_NAME}\\*[\"']\s*(?:[:,]|=>)\s*[a-z]?\\*[\"']",
        value=_QUOTED_VALUE,
    ),
    # "cvv": 123
    _SecretPattern(
        keywords=_NAME_KEYWORDS, prefix=rf"{_NAME}\\*[\"']\s*(?::|=>)\s*", value=r"-?[0-9][0-9.]*"
    ),
    # <password>...</password>
    _SecretPattern(keywords=_NAME_KEYWORDS, prefix=rf"<[\w:.-]*{_NAME}>", value=r"[^<]+"),
)

_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)

_SEPARATOR = r"(?:[ \u00a0.+-]|%20)"
_CARD = re.compile(
    # The first digit is tested first, then what precedes it: most positions fail at once.
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
_ID_NAME_CHARACTERS = 300
"""The number of characters before a number that are searched for its name."""


class Redactor:
    """Replaces secrets by `MASK`: the given ones, and text that looks like one."""

    def __init__(self, secrets: Iterable[SecretStr] = ()) -> None:
        values = {part for secret in secrets for part in _parts(secret.get_secret_value())}
        spelled = [_regex_of_spellings(value) for value in sorted(values, key=len, reverse=True)]
        self._registered_regex = re.compile("|".join(spelled)) if spelled else None

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        if self._registered_regex is not None:
            text = self._registered_regex.sub(MASK, text)
        text = _CARD.sub(_mask_card, text)
        lowered = text.lower()
        text = _mask_matches(text, lowered, _UNNAMED_SECRETS)
        if any(keyword in lowered for keyword in _NAME_KEYWORDS) and _SECRET_NAME.search(lowered):
            text = _mask_matches(text, lowered, _NAMED_SECRETS)
        return text


_redactor = Redactor()


def register_secrets(secrets: Iterable[SecretStr]) -> None:
    """Make `redact` mask the values of this process' secrets, in place of earlier ones."""
    global _redactor  # noqa: PLW0603 - one set of secrets per process, like its log
    _redactor = Redactor(secrets)


def redact(text: str) -> str:
    """Return `text` without this process' registered secrets and without others that it finds."""
    return _redactor(text)


def mask_named(value: object) -> object:
    """Return `value` with `MASK` for every value in it whose key names a secret."""
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
    """Return True if a name is that of a secret: `api_key`, `X-MBX-APIKEY`, `db_password`."""
    return isinstance(name, str) and _SECRET_NAME.search(name) is not None


def _mask_matches(text: str, lowered: str, patterns: Iterable[_SecretPattern]) -> str:
    for pattern in patterns:
        if any(keyword in lowered for keyword in pattern.keywords):
            text = pattern.regex.sub(rf"\g<1>{MASK}", text)
    return text


def _mask_card(match: re.Match[str]) -> str:
    """Return `MASK` for a card's number, and any other number as it is.

    A bare number that is named as an id, such as an order's, stays: one in ten ids of sixteen
    digits passes Luhn's test by chance, and an incident cannot be handled without them. Digits in
    groups are no id.
    """
    written = match[0]
    if not _passes_luhn([int(digit) for digit in re.sub("%20|[^0-9]", "", written)]):
        return written
    preceding = match.string[max(0, match.start() - _ID_NAME_CHARACTERS) : match.start()]
    if written.isdecimal() and _NAMED_ID.search(preceding) is not None:
        return written
    return MASK


def _passes_luhn(digits: Sequence[int]) -> bool:
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _parts(secret: str) -> set[str]:
    """Return the parts to mask: the password of an address, each line of a multi-line key."""
    lines = (line.strip() for part in _passwords(secret) or {secret} for line in part.splitlines())
    return {line for line in lines if len(line) >= MIN_SECRET_CHARACTERS}


def _passwords(secret: str) -> set[str]:
    """Return the password of an address, plain and encoded; nothing if it has none.

    A password that equals the user's or the database's name is left out: that word is everywhere,
    and the address is recognised by its form.
    """
    try:
        address = urlsplit(secret)
        password = address.password or ""
    except ValueError:
        return set()
    if not address.scheme:
        return set()
    return {password, unquote(password)} - {"", address.username, address.path.lstrip("/")}


def _regex_of_spellings(secret: str) -> str:
    return "".join(_regex_of_character(character) for character in secret)


def _regex_of_character(character: str) -> str:
    """Return a pattern for every way to write a character of a secret."""
    if character.isascii() and character.isalnum():
        return character
    percent = quote(character, safe="", errors="surrogatepass")
    ways = [re.escape(character), f"(?i:{re.escape(percent)})"]
    ways += [
        _regex_of_escape(form) for form in (json.dumps(character)[1:-1], repr(character)[1:-1])
    ]
    if character == " ":
        ways.append(r"\+")
    if character == "'":
        ways.append(_regex_of_escape(r"\'"))  # In the repr of a text that also has a double quote.
    return f"(?:{'|'.join(dict.fromkeys(ways))})"


def _regex_of_escape(form: str) -> str:
    """Return a pattern for an escape sequence that may itself have been escaped again."""
    return r"\\+".join(re.escape(part) for part in form.split("\\"))
