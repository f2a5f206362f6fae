"""Find the line of each key in a valid TOML document: pure.

`tomllib` reads the values, but does not say where they stand. The libraries that keep a document's
layout do not say it either: they would have to be searched just like this. `tomllib` has accepted
the text before, so only the places of keys are sought here, and nothing is judged.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""The keys from the top of the document; a number is the place in an array."""

_BLANKS = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACES = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# At most two quotes may stand before the three that end a text of several lines.
_TEXT = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN_VALUE = re.compile(r"[^,\]}#\r\n]+")


def find_key_lines(text: str) -> Mapping[KeyPath, int]:
    """Return the line, from 1, of each key and of each item of an array.

    A table that has a header stands where the header is, another one where its first key is.

    Args:
        text: A document that `tomllib` accepts.
    """
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_ends = [found.start() for found in re.finditer("\n", text)]
        self._lines: dict[KeyPath, int] = {}
        self._array_lengths: dict[KeyPath, int] = {}

    def scan(self) -> Mapping[KeyPath, int]:
        table: KeyPath = ()
        self._skip(_BLANKS)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._read_header()
            else:
                self._read_key_and_value(table)
            self._skip(_BLANKS)
        return self._lines

    def _read_header(self) -> KeyPath:
        """Read `[table]` or `[[array of tables]]`; return the path of the table that it opens."""
        line = self._line()
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        *parents, last = self._read_key()
        self._at += brackets
        path: KeyPath = ()
        for part in parents:
            path = self._last_item((*path, part))
            self._lines.setdefault(path, line)
        path = (*path, last)
        if brackets == 1:
            self._lines[path] = line
            return path
        self._lines.setdefault(path, line)
        self._array_lengths[path] = self._array_lengths.get(path, 0) + 1
        path = self._last_item(path)
        self._lines[path] = line
        return path

    def _last_item(self, path: KeyPath) -> KeyPath:
        """Return the path of an array's last table, or the path itself if it is no array's."""
        length = self._array_lengths.get(path)
        return path if length is None else (*path, length - 1)

    def _read_key_and_value(self, table: KeyPath) -> None:
        line = self._line()
        path = table
        for part in self._read_key():
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._at += len("=")
        self._skip(_SPACES)
        self._read_value(path)

    def _read_key(self) -> list[str]:
        """Read a key and the spaces around it: each part of a dotted one."""
        parts = [self._read_key_part()]
        while self._text.startswith(".", self._at):
            self._at += 1
            parts.append(self._read_key_part())
        return parts

    def _read_key_part(self) -> str:
        self._skip(_SPACES)
        if bare := _BARE_KEY.match(self._text, self._at):
            part, self._at = bare[0], bare.end()
        else:
            quoted = self._skip(_TEXT)
            part = tomllib.loads(f"key = {quoted}")["key"]
        self._skip(_SPACES)
        return part

    def _read_value(self, path: KeyPath) -> None:
        match self._text[self._at]:
            case "[":
                self._read_array(path)
            case "{":
                self._read_inline_table(path)
            case '"' | "'":
                self._skip(_TEXT)
            case _:
                self._skip(_PLAIN_VALUE)

    def _read_array(self, path: KeyPath) -> None:
        self._at += len("[")
        self._skip(_BLANKS)
        count = 0
        while not self._text.startswith("]", self._at):
            self._lines[*path, count] = self._line()
            self._read_value((*path, count))
            count += 1
            self._skip_comma()
        self._at += len("]")

    def _read_inline_table(self, path: KeyPath) -> None:
        self._at += len("{")
        self._skip(_BLANKS)
        while not self._text.startswith("}", self._at):
            self._read_key_and_value(path)
            self._skip_comma()
        self._at += len("}")

    def _skip_comma(self) -> None:
        self._skip(_BLANKS)
        if self._text.startswith(",", self._at):
            self._at += len(",")
            self._skip(_BLANKS)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(f"no valid TOML in line {self._line()}")
        self._at = found.end()
        return found[0]

    def _line(self) -> int:
        return bisect_left(self._line_ends, self._at) + 1
