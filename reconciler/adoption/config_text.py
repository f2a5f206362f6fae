"""Put `[orders]` into the text of a configuration file, and read it back: pure."""

import re
import tomllib
from collections.abc import Sequence

from reconciler.config_file.document import Findings, parse_document
from reconciler.config_file.orders import OrdersConfig
from reconciler.config_file.orders_section import SECTION, read_orders
from reconciler.errors import ConfigurationError, Problem

_HEADER = re.compile(r"\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")


def read_orders_text(text: str, *, name: str) -> tuple[OrdersConfig | None, Sequence[Problem]]:
    """Return what a file's text says of the user's table, and every problem with it."""
    findings = Findings(parse_document(text, name=name))
    return read_orders(findings), findings.problems


def without_orders(text: str, *, name: str) -> str:
    """Return a file's text without `[orders]` and all that belongs to it.

    Raises:
        ConfigurationError: what belongs to it cannot be told from the rest.
    """
    kept: list[str] = []
    belongs = False
    for line in text.splitlines(keepends=True):
        header = _HEADER.match(line)
        if header is not None:
            belongs = header["name"].split(".")[0].strip().strip("\"'") == SECTION
        if not belongs:
            kept.append(line)
    rest = "".join(kept)
    try:
        values, left = tomllib.loads(text), tomllib.loads(rest)
    except tomllib.TOMLDecodeError:
        raise _not_replaceable(name) from None
    values.pop(SECTION, None)
    if left != values:
        raise _not_replaceable(name)
    return rest.rstrip()


def _not_replaceable(name: str) -> ConfigurationError:
    return ConfigurationError(
        [
            Problem(
                what=f"{name} exists, and its [orders] cannot be told from the rest of it",
                hint=f"move {name} away, run this again, and put the rest back by hand",
            )
        ]
    )
