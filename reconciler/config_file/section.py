"""A table of the document, read key by key: each wrong value becomes a problem, not an error."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from reconciler.config_file.document import Findings, dotted, nearest_name, shown
from reconciler.config_file.key_lines import KeyPath
from reconciler.config_file.sql_text import MAX_NAME_BYTES

COLUMN_HINT = "write the column's name as the database stores it, without quotes of its own"


class Section:
    """A table of the document. What is missing and what is wrong are both None for the caller."""

    def __init__(self, findings: Findings, path: KeyPath, values: Mapping[str, Any]) -> None:
        self.findings = findings
        self.path = path
        self.values = values

    def refuse_others(self, known: Sequence[str], *, kind: str = "key") -> None:
        """Add a problem for each key that is not known."""
        for key in self.values:
            if key not in known:
                self.findings.add_unknown((*self.path, key), known, kind=kind)

    def add(self, key: str | int, what: str, hint: str) -> None:
        """Add a problem with the value of a key."""
        self.findings.add((*self.path, key), what, hint)

    def text(self, key: str, *, example: str) -> str | None:
        """Return a text that is not empty."""
        value = self.values.get(key)
        if value is None:
            return None
        hint = f"write a text in quotes: {key} = {example}; or remove it"
        if not isinstance(value, str):
            self.add(key, f"is {shown(value)}, but must be a text", hint)
        elif not value.strip():
            self.add(key, "is empty", hint)
        elif "\0" in value:
            self.add(key, "has a zero byte, which PostgreSQL does not take", hint)
        else:
            return value
        return None

    def column(self, key: str) -> str | None:
        """Return the name of a column."""
        return self.checked_column(key, self.text(key, example='"name"'))

    def checked_column(self, key: str | int, name: str | None) -> str | None:
        """Return a column's name if the database can have one like it."""
        if name is not None and len(name.encode()) > MAX_NAME_BYTES:
            self.add(key, f"has more than {MAX_NAME_BYTES} bytes: no column does", COLUMN_HINT)
            return None
        return name

    def table(self, key: str) -> "Section | None":
        """Return an inner table."""
        value = self.values.get(key)
        if value is None:
            return None
        path = (*self.path, key)
        if not isinstance(value, dict):
            self.findings.add(
                path, f"is {shown(value)}, but must be a table", f"write it as [{dotted(path)}]"
            )
            return None
        return Section(self.findings, path, value)

    def needs(self, keys: Collection[str]) -> bool:
        """Return True if all of these keys are there; add a problem for each that is not.

        One that is only misspelled is already reported, as a key that does not exist.
        """
        missing = [key for key in keys if key not in self.values]
        misspelled = {nearest_name(key, keys) for key in self.values if key not in keys}
        for key in set(missing) - misspelled:
            self.findings.add(
                self.path, f"has no {key}", f"write {{ {' = ..., '.join(keys)} = ... }}"
            )
        return not missing

    def texts_in(self, key: str, *, example: str) -> Iterator[tuple[int, str]]:
        """Return the texts in a list, each with its place; none of them is empty."""
        value = self.values.get(key)
        if value is None:
            return
        hint = f"write a list of texts: {key} = {example}"
        if not isinstance(value, list):
            self.add(key, f"is {shown(value)}, but must be a list", hint)
            return
        for place, item in enumerate(value):
            if not isinstance(item, str) or not item.strip() or "\0" in item:
                self.findings.add(
                    (*self.path, key, place), f"is {shown(item)}, but must be a text", hint
                )
            else:
                yield place, item
