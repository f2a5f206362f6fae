"""Files that are made from the code: write them again, or say which are out of date."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

Files = Mapping[Path, str]
"""The text that each file must have."""


def write_or_check(script: str, description: str | None, made: Callable[[], Files]) -> int:
    """Do what a script's command line says: write what is made, or with `--check` only compare.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        return check(made(), script=script)
    write(made())
    return 0


def check(wanted: Files, *, script: str) -> int:
    """Return 1, and say which, if a file is not as it should be; else 0."""
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{path.name} does not agree with the code: run scripts/{script}", file=sys.stderr)
    return int(bool(stale))


def write(wanted: Files) -> None:
    """Write the files."""
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
