"""The release that a process runs; supervisor and workers must run the same, from one folder.

If a release is installed over a running one, a new fork server loads the new one. And a path may
lead to a program of another origin. The messages of such a worker cannot be trusted.
"""

from dataclasses import dataclass
from pathlib import Path

import reconciler


@dataclass(frozen=True, slots=True)
class Release:
    """The program's version and the folder that it was loaded from."""

    version: str
    folder: str

    def __str__(self) -> str:
        """Return both as text for a person."""
        return f"{self.version} in {self.folder}"


def own_release() -> Release:
    """Return the release that this process runs."""
    folder = Path(reconciler.__file__).resolve().parent
    return Release(version=reconciler.__version__, folder=str(folder))
