"""A TOML document with the line of each key, and the problems that are found in it."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from reconciler.config_file.key_lines import KeyPath, find_key_lines
from reconciler.errors import ConfigurationError, Problem

MAX_BYTES = 1_048_576

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLACE = re.compile(r" \(at line (\d+), column \d+\)$")
_END = " (at end of document)"


@dataclass(frozen=True, kw_only=True)
class Document:
    """The values of a TOML document, and where they stand.

    Attributes:
        name: The file's path as it was given.
        lines: The line of each key, from 1.
    """

    name: str
    values: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(repr=False)

    def line_of(self, path: KeyPath) -> int:
        """Return the line of a key, or of the table it is missing from."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place_of(self, path: KeyPath) -> str:
        """Return the file and the line of a key, for a person."""
        return f"{self.name}, line {self.line_of(path)}"


class Findings:
    """Collects the problems of a document, each at the line of its key."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._found: list[tuple[int, Problem]] = []

    def add(self, path: KeyPath, what: str, hint: str) -> None:
        """Add a problem. `what` follows the key's name, and begins with a verb."""
        self.add_at(path, f"{dotted(path)} {what}", hint)

    def add_at(self, path: KeyPath, what: str, hint: str) -> None:
        """Add a problem whose text names the key itself."""
        place = self.document.place_of(path)
        problem = Problem(what=f"{place}: {what}", hint=hint)
        self._found.append((self.document.line_of(path), problem))

    def add_unknown(
        self, path: KeyPath, known: Iterable[str], *, kind: str = "key", nearest: str | None = None
    ) -> None:
        """Add a problem for a key that does not exist, with the nearest name that does."""
        names = list(known)
        nearest = nearest or nearest_name(str(path[-1]), names)
        self.add_at(
            path,
            f"there is no {kind} {dotted(path)}",
            f"rename it to {dotted((nearest,))}, or remove it"
            if nearest
            else f"remove it; there are: {', '.join(names)}",
        )

    @property
    def problems(self) -> Sequence[Problem]:
        """The problems, in the order of their lines."""
        return [problem for _, problem in sorted(self._found, key=lambda found: found[0])]


def read_document(file: Path) -> Document:
    """Read a TOML file.

    Raises:
        ConfigurationError: it cannot be read, is too large, or is no valid TOML.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise _unreadable(
            f"{file} cannot be read: {why}",
            "set RECONCILIATION_CONFIG to a file in TOML that this user may read, or unset it",
        ) from None
    if len(content) > MAX_BYTES:
        raise _unreadable(
            f"{file} has more than {MAX_BYTES:,} bytes",
            "set RECONCILIATION_CONFIG to the configuration file",
        )
    return parse_document(text, name=str(file))


def parse_document(text: str, *, name: str) -> Document:
    """Parse the text of a TOML file.

    Raises:
        ConfigurationError: it is no valid TOML.
    """
    try:
        return Document(name=name, values=tomllib.loads(text), lines=find_key_lines(text))
    except RecursionError:
        raise _unreadable(f"{name} is nested too deeply", "write it with fewer levels") from None
    except ValueError as error:
        raise _unreadable(*_syntax_problem(str(error), text, name)) from None


def _syntax_problem(message: str, text: str, name: str) -> tuple[str, str]:
    place = _PLACE.search(message)
    line = f", line {place[1]}" if place else ""
    if message.endswith(_END):
        line = f", line {len(text.rstrip().splitlines()) or 1}"
    why = _PLACE.sub("", message).removesuffix(_END)
    return (
        f"{name}{line}: this is no valid TOML: {why[:1].lower()}{why[1:]}",
        'fix this line or the one before it; texts stand in quotes: table = "orders"',
    )


def _unreadable(what: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(what=what, hint=hint)])


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`, if any is."""
    by_small_letters = {one.lower(): one for one in known}
    found = get_close_matches(name.lower(), by_small_letters, n=1)
    return by_small_letters[found[0]] if found else None


def dotted(path: KeyPath) -> str:
    """Return a path as TOML writes it: `orders.statuses."in progress"`."""
    text = ""
    for part in path:
        match part:
            case int():
                text += f"[{part}]"
            case str():
                is_bare = _BARE_KEY.fullmatch(part) is not None
                text += f"{'.' if text else ''}{part if is_bare else _quoted(part)}"
    return text


def _quoted(part: str) -> str:
    """Return a key in quotes, shortened, on one line."""
    shown = part if len(part) <= 80 else f"{part[:79]}…"  # noqa: PLR2004 - the width of a terminal
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(one if one.isprintable() else " " for one in escaped)}"'


def shown(value: object) -> str:
    """Return a value for a message: short, on one line."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = _quoted(value)
        case dict():
            text = "a table"
        case list():
            text = "a list"
        case _:
            text = str(value)[:80]
    return text
