"""Which program a process runs: parent and workers must be of one release, from one folder.

A release that is installed over a running one is what a new fork server loads; and whatever stands
first on a path may be somebody else's. What such a worker says is then not to be trusted.
"""

from dataclasses import dataclass
from pathlib import Path

import reconciler


@dataclass(frozen=True, slots=True)
class Release:
    """The program's version, and the folder that it was loaded from."""

    version: str
    folder: str

    def __str__(self) -> str:
        """Return both, for a person."""
        return f"{self.version} in {self.folder}"


def own_release() -> Release:
    """Return this process's."""
    folder = Path(reconciler.__file__).resolve().parent
    return Release(version=reconciler.__version__, folder=str(folder))
