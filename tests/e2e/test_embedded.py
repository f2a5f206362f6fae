"""A PostgreSQL of one's own goes with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types
import psycopg

PATIENCE_SECONDS = 60
STARTER = """
import sys
from pathlib import Path
from reconciler.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def started_in(folder: Path) -> "tuple[subprocess.Popen[str], int]":
    """Start a process with a PostgreSQL in the folder; return it, and the server's pid."""
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", STARTER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    with psycopg.connect(url) as connection:
        (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    return process, int(Path(data, "postmaster.pid").read_text(encoding="ascii").split()[0])


def has_ended(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_nothing_of_it_stays_when_its_block_ends(tmp_path: Path) -> None:
    process, server = started_in(tmp_path)

    process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert has_ended(server)


def test_nothing_of_it_stays_when_its_process_is_killed_with_all_of_its_group(
    tmp_path: Path,
) -> None:
    process, server = started_in(tmp_path)

    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    deadline = time.monotonic() + PATIENCE_SECONDS
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []
    assert has_ended(server)
