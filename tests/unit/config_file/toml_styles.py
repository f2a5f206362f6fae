"""Write a document as TOML in one of the many styles that mean the same, with the line of each key.

The styles are drawn by Hypothesis: headers, dotted keys or inline tables; arrays of tables; bare or
quoted keys; texts of one line or several; comments, blank lines and spaces in between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from reconciler.config_file.key_lines import KeyPath

_NAMES = st.one_of(
    st.sampled_from(["a", "b", "c-d", "7", "in use", 'q"u', "it's", "a.b", "#", "[x]", "é", ""]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
_TEXTS = st.one_of(
    st.sampled_from(["", "x", '"""', "'''", "a\nb", 'a"', "\\", "# no", "} ]", 'x""', "\n", "='"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
_SCALARS = st.one_of(_TEXTS, st.integers(-(2**40), 2**40), st.booleans())


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for documents of texts, numbers, arrays and tables."""
    values = st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=3)
        ),
        max_leaves=12,
    )
    return st.dictionaries(_NAMES, values, max_size=4)


class StyledWriter:
    """Writes a document in a style that is drawn; knows the line of each key."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._text = ""
        self.lines: dict[KeyPath, int] = {}

    def write(self, document: Mapping[str, Any]) -> str:
        """Return the document as TOML."""
        self._write_table(document, (), ())
        return self._text

    def _write_table(self, table: Mapping[str, Any], path: KeyPath, header: Sequence[str]) -> None:
        """Write the body of a table: what needs no header of its own first."""
        later = [key for key, value in table.items() if self._has_header(value)]
        for key, value in table.items():
            if key not in later:
                self._write_entry((key,), value, path)
                self._blanks()
        for key in later:
            self._write_headed(table[key], (*path, key), (*header, key))

    def _has_header(self, value: object) -> bool:
        match value:
            case dict():
                return self._flips()
            case [*items] if items and all(isinstance(item, dict) for item in items):
                return self._flips()
            case _:
                return False

    def _write_headed(self, value: Any, path: KeyPath, header: Sequence[str]) -> None:
        name = self._spaces().join(["", ".".join(self._key(part) for part in header), ""])
        self._blanks()
        if isinstance(value, dict):
            self._here(path)
            self._add(f"[{name}]{self._line_end()}")
            self._write_table(value, path, header)
            return
        for number, item in enumerate(value):
            self._blanks()
            if number == 0:
                self._here(path)
            self._here((*path, number))
            self._add(f"[[{name}]]{self._line_end()}")
            self._write_table(item, (*path, number), header)

    def _write_entry(self, keys: tuple[str, ...], value: Any, path: KeyPath) -> None:
        """Write `key = value`, or the entries of the table with dotted keys."""
        if isinstance(value, dict) and value and self._flips():
            for key, inner in value.items():
                self._write_entry((*keys, key), inner, path)
            return
        self._write_pair(keys, value, path)
        self._add(self._line_end())

    def _write_pair(self, keys: tuple[str, ...], value: Any, path: KeyPath) -> None:
        for key in keys:
            path = (*path, key)
            self._here(path)
        dot = f"{self._spaces()}.{self._spaces()}"
        self._add(f"{dot.join(map(self._key, keys))}{self._spaces()}={self._spaces()}")
        self._write_value(value, path)

    def _write_value(self, value: Any, path: KeyPath) -> None:
        match value:
            case bool():
                self._add("true" if value else "false")
            case int() | float():
                self._add(str(value))
            case str():
                self._add(self._quote(value))
            case dict():
                self._add(f"{{{self._spaces()}")
                for number, (key, inner) in enumerate(value.items()):
                    self._add(", " if number else "")
                    self._write_pair((key,), inner, path)
                self._add("}")
            case list():
                self._add("[")
                for number, inner in enumerate(value):
                    self._add("," if number else "")
                    self._blanks()
                    self._here((*path, number))
                    self._write_value(inner, (*path, number))
                self._blanks()
                self._add("]")

    def _key(self, key: str) -> str:
        is_bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
        return key if is_bare and self._flips() else self._quote_in_line(key)

    def _quote(self, text: str) -> str:
        return self._quote_in_lines(text) if self._flips() else self._quote_in_line(text)

    def _quote_in_line(self, text: str) -> str:
        if self._flips() and "'" not in text and text.isprintable():
            return f"'{text}'"
        return f'"{_escaped(text)}"'

    def _quote_in_lines(self, text: str) -> str:
        if "'" not in text and text.replace("\n", "").isprintable() and self._flips():
            return f"'''\n{text}'''"
        lines = "\n".join(_escaped(line) for line in text.split("\n"))
        return f'"""\n{lines}"""'

    def _line_end(self) -> str:
        return self._draw(st.sampled_from(["\n", "\n", " # a = [comment]\n", "\n\n", "\t\n"]))

    def _blanks(self) -> None:
        if self._text.endswith(("\n", "[", ",")) or not self._text:
            self._add(self._draw(st.sampled_from(["", "", "\n", "  ", '# it\'s "x" = {\n'])))

    def _spaces(self) -> str:
        return self._draw(st.sampled_from(["", "", " ", "\t "]))

    def _flips(self) -> bool:
        return self._draw(st.booleans())

    def _add(self, text: str) -> None:
        self._text += text

    def _here(self, path: KeyPath) -> None:
        self.lines.setdefault(path, self._text.count("\n") + 1)


def _escaped(text: str) -> str:
    """Return the text with escapes for all that may not stand in a text of one line."""
    short = {"\n": "\\n", "\\": "\\\\", '"': '\\"'}
    return "".join(
        short.get(one, one if one.isprintable() else f"\\U{ord(one):08X}") for one in text
    )


@st.composite
def styled(
    draw: st.DrawFn, source: st.SearchStrategy[dict[str, Any]]
) -> tuple[dict[str, Any], str, dict[KeyPath, int]]:
    """Return a document, its text in some style, and the line of each of its keys."""
    document = draw(source)
    writer = StyledWriter(draw)
    text = writer.write(document)
    return document, text, writer.lines
