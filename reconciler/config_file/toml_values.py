"""Keys and texts as TOML writes them: pure. A text stays on one line, whatever is in it."""

import re

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ESCAPES = {
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}


def key_text(key: str) -> str:
    """Return a key, in quotes if it needs them."""
    return key if _BARE.fullmatch(key) else _in_quotes(key)


def value_text(text: str) -> str:
    """Return a text in quotes: in single ones if that needs no backslash."""
    needs_escape = '"' in text or "\\" in text
    if needs_escape and "'" not in text and text.isprintable():
        return f"'{text}'"
    return _in_quotes(text)


def comment_text(text: str) -> str:
    """Return a text for a comment: all signs that could end its line are blanks."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _in_quotes(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    if sign.isprintable():
        return sign
    code = ord(sign)
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"  # noqa: PLR2004 - as TOML has it
