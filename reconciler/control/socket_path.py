"""Where the control socket is: a file, and on Linux a name that no cleaner of files can remove.

Unless a setting says where, the file is in the first of these folders that can be used:

    $XDG_RUNTIME_DIR/reconciler   where the variable is set
    /run/user/UID/reconciler      where the user has a session
    /run/reconciler               for root, and for a user to whom the service manager gave it
    /tmp/reconciler-UID           or in the folder that TMPDIR names

A command may see other variables than the supervisor, so it looks in all of them, and at last asks
at the name. The name also keeps a second supervisor from starting when somebody has removed the
files of the first. It stands in the kernel's list of abstract sockets (unix(7)), is the same for
all processes of a user in a network namespace, and goes with the process. Anybody may take such a
name, so who has it counts only if it is the same user.
"""

import os
import socket
import stat
import struct
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path

HAS_ABSTRACT_NAMES = sys.platform == "linux"


@dataclass(frozen=True, kw_only=True, slots=True)
class SocketPath:
    """Where a supervisor may listen.

    Attributes:
        paths: Of the file: the first that can be used is it.
        is_set: A setting names the path; there is no other.
        name: The abstract socket's. Only one supervisor may have it.
        other_name: Of the database, where a setting names the path: so that a command without that
            setting finds the supervisor. Of several the first has it.
    """

    paths: tuple[Path, ...]
    is_set: bool
    name: str
    other_name: str | None = None

    def __str__(self) -> str:
        """Return the path where the file is or would be, for a person."""
        return str(self.path)

    @property
    def path(self) -> Path:
        """The first path that can be used; where none can, the last, to say why."""
        usable = (path for path in self.paths if self.is_set or is_usable(path.parent))
        return next(usable, self.paths[-1])


def socket_path_at(path: Path, database_url: str | None = None) -> SocketPath:
    """Return the place that a setting names."""
    return SocketPath(
        paths=(path,),
        is_set=True,
        name=_name_of(f"path {path.absolute()}"),
        other_name=None if database_url is None else _name_of(f"database {database_url}"),
    )


def socket_path_of(database_url: str) -> SocketPath:
    """Return where the supervisor of a database listens, unless it is told otherwise.

    The same for every command of the same user and the same `DATABASE_URL`, and another for another
    database.
    """
    file = f"{_digest(database_url)}.sock"
    return SocketPath(
        paths=tuple(folder / file for folder in _folders()),
        is_set=False,
        name=_name_of(f"database {database_url}"),
    )


def default_path(database_url: str) -> Path:
    """Return the path at which the supervisor of a database listens where all folders are good."""
    return socket_path_of(database_url).path


def is_usable(folder: Path) -> bool:
    """Whether a folder is ours alone, or could be made so."""
    with suppress(OSError):
        return is_trusted(folder) and os.access(folder, os.W_OK)
    with suppress(OSError):
        found = folder.parent.stat()
        is_ours = found.st_uid == os.geteuid()
        is_shared = bool(found.st_mode & stat.S_ISVTX) and bool(found.st_mode & stat.S_IWOTH)
        return os.access(folder.parent, os.W_OK) and (is_ours or is_shared)
    return False


def is_trusted(folder: Path) -> bool:
    """Whether only we, or root, may put files into a folder, or replace those there.

    Raises:
        OSError: it is not there.
    """
    found = folder.lstat()
    is_sticky = bool(found.st_mode & stat.S_ISVTX)
    is_ours = found.st_uid in {os.geteuid(), 0} and stat.S_ISDIR(found.st_mode)
    return is_ours and (not found.st_mode & 0o022 or is_sticky)


def peer_of(connection: socket.socket) -> tuple[int, int] | None:
    """Return the process id and the user at the other end; None where the system does not say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return pid, uid


def is_our_own(peer: tuple[int, int] | None) -> bool:
    """Whether the other end is of our user, or of root."""
    return peer is None or peer[1] in {os.geteuid(), 0}


def _folders() -> list[Path]:
    uid = os.getuid()
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    folders = [Path(given) / "reconciler"] if given.startswith("/") else []
    folders.append(Path(f"/run/user/{uid}/reconciler"))
    folders.append(Path("/run/reconciler"))
    folders += [Path(parent) / f"reconciler-{uid}" for parent in (tempfile.gettempdir(), "/tmp")]  # noqa: S108 - made for us alone
    return list(dict.fromkeys(folders))


def _name_of(what: str) -> str:
    return f"\0reconciler-{os.getuid()}-{_digest(what)}"


def _digest(text: str) -> str:
    return blake2s(text.encode(), digest_size=8).hexdigest()
