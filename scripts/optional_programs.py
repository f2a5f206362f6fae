"""The programs that some scripts and tests run, and that `pip` cannot install.

`scripts/install-programs` installs them: most from Debian, those of npm into `.programs`.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
NPM_PACKAGES = Path(os.environ.get("RECONCILER_PROGRAMS", ROOT / ".programs")) / "node_modules"

INSTALL_HINT = "run scripts/install-programs, as root where a Debian package is missing"

FILES: Mapping[str, str | Path] = {
    "axe-core": NPM_PACKAGES / "axe-core" / "axe.min.js",
    "carbon-aggregator-cache": "carbon-aggregator-cache",
    "chromium": "chromium",
    "fish": "fish",
    "graphite-manage": "graphite-manage",
    "node": "node",
    "promtool": "promtool",
    "statsd": NPM_PACKAGES / "statsd" / "bin" / "statsd",
    "zsh": "zsh",
}
"""Where each program is: a command in PATH, or a file."""


def find_program(name: str) -> Path | None:
    """Return the file of a program of `FILES`; None if it is not installed."""
    file = FILES[name]
    if isinstance(file, Path):
        return file if file.exists() else None
    found = shutil.which(file)
    return None if found is None else Path(found)


def required_program(name: str) -> Path:
    """Return the file of a program of `FILES`.

    Raises:
        SystemExit: it is not installed.
    """
    found = find_program(name)
    if found is None:
        raise SystemExit(f"error: {name} is not installed\n  hint: {INSTALL_HINT}")
    return found
