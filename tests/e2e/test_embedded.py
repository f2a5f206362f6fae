"""An embedded PostgreSQL ends with the process that started it."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types
import psycopg
import pytest

from .commands import DEADLINE_SECONDS

STARTER = """
import sys
from pathlib import Path
from reconciler.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


INTERRUPTED_STARTER = """
import os
import sys
from pathlib import Path
from reconciler.embedded import embedded_postgres

# What a Ctrl-C does that comes at this very moment.
make = os.mkdir
def interrupted(*arguments, **named):
    make(*arguments, **named)
    raise KeyboardInterrupt
os.mkdir = interrupted
with embedded_postgres(Path(sys.argv[1])):
    pass
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's user may enter: each pytest session closes its own again."""
    with tempfile.TemporaryDirectory(prefix="test-embedded-") as folder:
        yield Path(folder)


def started_in(folder: Path) -> "tuple[subprocess.Popen[str], int]":
    """Start a process with a PostgreSQL in the folder; return the process and the server's pid."""
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


def test_nothing_of_it_stays_when_its_block_ends(folder: Path) -> None:
    process, server = started_in(folder)

    process.communicate(timeout=DEADLINE_SECONDS)

    assert process.returncode == 0
    assert list(folder.iterdir()) == []
    assert has_ended(server)


def test_nothing_of_it_stays_when_its_start_is_interrupted(folder: Path) -> None:
    ended = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", INTERRUPTED_STARTER, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "KeyboardInterrupt" in ended.stderr
    assert list(folder.iterdir()) == []


def test_nothing_stays_when_the_process_group_is_killed(
    folder: Path,
) -> None:
    process, server = started_in(folder)

    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    deadline = time.monotonic() + DEADLINE_SECONDS
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(folder.iterdir()) == []
    assert has_ended(server)


# A private copy of /etc without the user, as on a machine where the wheel has never run.
NEW_MACHINE = """
cp -a /etc/. "$1" && mount --bind "$1" /etc || exit 2
for accounts in passwd shadow group gshadow; do
    rm -f "/etc/$accounts.lock"
    if [ -e "/etc/$accounts" ]; then sed -i '/^pgserver:/d' "/etc/$accounts" || exit 3; fi
done
! getent passwd pgserver && shift && exec "$@"
"""
SEVERAL_AT_ONCE = """
folder=$1; shift
for number in 1 2 3 4 5 6; do "$@" "$folder" </dev/null & pids="$pids $!"; done
for pid in $pids; do wait "$pid" || failed=1; done
exit "${failed:-0}"
"""


def as_on_a_new_machine(folder: Path) -> list[str]:
    """Return the start of a command that hides the wheel's user from the rest of it.

    Empty if we are not root, or if root may not make a mount namespace.
    """
    private = ["unshare", "--mount"]
    can_hide = os.geteuid() == 0 and subprocess.run([*private, "true"], check=False).returncode == 0  # noqa: S603 - our own words
    return [*private, "sh", "-c", NEW_MACHINE, "sh", str(folder)] if can_hide else []


def test_several_that_start_at_once_on_a_new_machine_have_one_each(
    folder: Path, tmp_path: Path
) -> None:
    starters = ["sh", "-c", SEVERAL_AT_ONCE, "sh", str(folder), sys.executable, "-c", STARTER]

    ended = subprocess.run(  # noqa: S603 - our own words
        [*as_on_a_new_machine(tmp_path), *starters],
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("postgresql://") == 6
    assert list(folder.iterdir()) == []
