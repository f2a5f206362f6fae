"""Series of the past, written into Whisper's files as Carbon would have done it."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

STEP_SECONDS = 10

Stored = Mapping[str, Iterable[float | None]]

# Only Debian's Python has the library.
_WRITE = f"""
import json, os, sys, whisper
folder, end = sys.argv[1], int(sys.argv[2])
for path, values in json.load(sys.stdin).items():
    file = os.path.join(folder, *path.split(".")) + ".wsp"
    os.makedirs(os.path.dirname(file), exist_ok=True)
    whisper.create(file, [({STEP_SECONDS}, 1440)], xFilesFactor=0, aggregationMethod="max")
    first = end - {STEP_SECONDS} * (len(values) - 1)
    whisper.update_many(file, [
        (first + {STEP_SECONDS} * place, value)
        for place, value in enumerate(values) if value is not None
    ])
"""


def last_step() -> int:
    """Return the time of the newest value that Graphite has: that of the next is on its way."""
    return int(time.time()) // STEP_SECONDS * STEP_SECONDS - STEP_SECONDS


def store(folder: Path, series: Stored, *, end: int) -> None:
    """Write new series, whose last values are those of the time `end`."""
    subprocess.run(  # noqa: S603 - our own command
        ["/usr/bin/python3", "-c", _WRITE, folder / "whisper", str(end)],
        input=json.dumps({path: list(values) for path, values in series.items()}),
        text=True,
        check=True,
    )
