"""Draw what a terminal shows as an SVG that loads nothing from elsewhere."""

from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_BRIGHT = [
    (60, 66, 78),
    (240, 110, 110),
    (130, 205, 110),
    (232, 190, 95),
    (110, 170, 250),
    (200, 130, 230),
    (90, 195, 205),
    (235, 238, 243),
]
THEME = TerminalTheme((24, 27, 34), (214, 218, 225), _BRIGHT, _BRIGHT)

# Rich's own format loads a font from the network.
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def save_terminal(written: bytes, file: Path, *, title: str, columns: int) -> None:
    """Save what was written to a terminal, with its colours."""
    console = Console(record=True, file=StringIO(), width=columns, force_terminal=True)
    for line in written.decode().replace("\r\n", "\n").rstrip().split("\n"):
        console.print(Text.from_ansi(line), overflow="fold")
    console.save_svg(str(file), title=title, theme=THEME, code_format=_FORMAT, unique_id=file.stem)
