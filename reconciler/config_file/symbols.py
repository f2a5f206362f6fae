"""From the user's symbols to the exchange's: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

BLANKS = " \t\n\r\f\v"


@dataclass(frozen=True, kw_only=True)
class Symbols:
    """Rules for symbols.

    Attributes:
        ignore: Letters that are dropped.
        strip_suffix: Endings that are dropped, at most one of them and never the whole symbol.
        rename: Exceptions: their symbols, as they stand in the table, and the exchange's.
    """

    ignore: str = ""
    strip_suffix: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)

    def normalize(self, text: str) -> str:
        """Return the exchange's symbol for what stands in the table.

        Blanks around it never count. An exception is taken as it is; otherwise the longest ending
        that fits is dropped first, and then the letters to ignore. Empty if nothing is left.
        """
        symbol = text.strip(BLANKS)
        if symbol in self.rename:
            return self.rename[symbol]
        endings = [one for one in self.strip_suffix if symbol.endswith(one) and symbol != one]
        symbol = symbol.removesuffix(max(endings, key=len, default=""))
        return symbol.translate(dict.fromkeys(map(ord, self.ignore))).strip(BLANKS)
