"""What to write into the configuration file for symbols that the exchange does not list: pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reconciler.config_file.document import nearest_name, shown
from reconciler.config_file.symbols import BLANKS, Symbols

SEPARATORS = "/-_: ."
_VENUE = re.compile(r"[^.](\.[A-Za-z][A-Za-z0-9_]{2,})$")
_DERIVATIVES = frozenset({".PERP", ".SWAP", ".FUT"})
"""Endings that name another product: without one, the symbol is another market's."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The symbols that an exchange lists.

    `request_symbol` returns a symbol as the exchange is asked for it: Binance takes "btc-usdt".
    """

    symbols: frozenset[str]
    request_symbol: Callable[[str], str]

    def has(self, name: str) -> bool:
        """Return True if the exchange lists the symbol, in whatever spelling."""
        return self.request_symbol(name) in self.symbols


def find_rules(text: str, symbols: Symbols, listing: Listing) -> Symbols | None:
    """Return rules with which the exchange lists what stands in the table, if any do.

    They drop more separators than `symbols`, or the ending that names a venue, or both.
    """
    venue = _VENUE.search(text.strip(BLANKS))
    endings = [()] if venue is None or venue[1].upper() in _DERIVATIVES else [(), (venue[1],)]
    for ending in endings:
        bare = replace(symbols, strip_suffix=(*symbols.strip_suffix, *ending))
        rules = replace(bare, ignore=symbols.ignore + _separators(bare.normalize(text), listing))
        for tried in (bare, rules):
            if listing.has(tried.normalize(text)):
                return tried
    return None


def _separators(name: str, listing: Listing) -> str:
    """Return the separators in a name that the exchange does not drop by itself."""
    return "".join(sign for sign in SEPARATORS if sign in name and listing.request_symbol(sign))


def rules_hint(rules: Sequence[Symbols], symbols: Symbols) -> str:
    """Return the line that makes all of these rules hold, and `symbols` too."""
    wanted = (symbols, *rules)
    ignored = dict.fromkeys(sign for one in wanted for sign in one.ignore)
    suffixes = dict.fromkeys(suffix for one in wanted for suffix in one.strip_suffix)
    lines = []
    if len(ignored) > len(set(symbols.ignore)):
        lines.append(f"ignore = {shown(''.join(ignored))}")
    if len(suffixes) > len(set(symbols.strip_suffix)):
        lines.append(f"strip_suffix = [{', '.join(map(shown, suffixes))}]")
    return f"write in reconciler.toml: [orders.symbols] {' and '.join(lines)}"


def rename_hint(texts: Sequence[str], symbols: Symbols, listing: Listing) -> str:
    """Return the line with an exception for each text, and the nearest name that is listed."""
    entries = []
    for text in texts:
        name = listing.request_symbol(symbols.normalize(text))
        nearest = nearest_name(name, listing.symbols) or "..."
        entries.append(f"{shown(text.strip(BLANKS))} = {shown(nearest)}")
    others = ", next to the others that are there" if symbols.rename else ""
    return (
        "if these are the same markets, write in reconciler.toml: [orders.symbols] rename ="
        f" {{ {', '.join(entries)} }}{others}; else leave their rows out with [orders] where"
    )
