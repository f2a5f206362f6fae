"""YAML, as text: mappings, lists and scalars, in the order in which they are given."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

Yaml = str | int | float | bool | Mapping[str, "Yaml"] | Sequence["Yaml"]

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_ ./-]*")
_NOT_TEXT = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def yaml_text(value: Yaml, *, comment: str) -> str:
    """Return a file: the comment, then the value."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.strip().splitlines())
    return head + "".join(f"{line}\n" for line in _block(value))


def _block(value: Yaml) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entry(f"{_scalar(key)}:", item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            first, *rest = _block(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _entry(key: str, value: Yaml) -> Iterator[str]:
    if isinstance(value, str | int | float) or not value:
        yield f"{key} {_scalar(value)}"
    elif isinstance(value, Sequence) and all(isinstance(item, int | float) for item in value):
        yield f"{key} [{', '.join(map(_scalar, value))}]"
    else:
        yield key
        yield from (f"  {line}" for line in _block(value))


def _scalar(value: Yaml) -> str:
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value == value.strip()
        return value if is_plain and value.lower() not in _NOT_TEXT else json.dumps(value)
    return json.dumps(value)
