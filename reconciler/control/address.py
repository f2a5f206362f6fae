"""The control socket's address: a file, and on Linux an abstract name that no clean-up removes.

If no setting names the file, it is in the first of these folders that can be used:

    $XDG_RUNTIME_DIR/reconciler   if the variable is set
    /run/user/UID/reconciler      if the user has a session
    /run/reconciler               for root, and for a user to whom the service manager gave it
    /tmp/reconciler-UID           or in the folder that TMPDIR names

Each scope has an address of its own, so that several programs over one table run side by side.

A command may have other environment variables than the supervisor, so it tries all of these
folders, and the abstract name last. The name also keeps a second supervisor from starting after
the files of the first have been removed. It is in the kernel's list of abstract sockets
(unix(7)), is the same for all processes of a user in a network namespace, and disappears with the
process. Any user may take such a name, so its holder counts only if it is the same user.
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

from reconciler.scope import UNSCOPED, Scope

HAS_ABSTRACT_NAMES = sys.platform == "linux"


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlAddress:
    """The address where a supervisor listens for commands.

    Attributes:
        paths: Where the file may be; the supervisor takes the first that can be used.
        is_from_setting: True if a setting names the path; there is no other then.
        abstract_name: The name of the abstract socket. Only one supervisor can have it.
        database_socket_name: If a setting names the path: the database's abstract name, so that a
            command without that setting finds the supervisor. The first of several has it.
    """

    paths: tuple[Path, ...]
    is_from_setting: bool
    abstract_name: str
    database_socket_name: str | None = None

    @classmethod
    def at(
        cls, path: Path, database_url: str | None = None, scope: Scope = UNSCOPED
    ) -> "ControlAddress":
        """Return the address that a setting names, for a database's supervisor of this scope."""
        return cls(
            paths=(path,),
            is_from_setting=True,
            abstract_name=_abstract_name(f"path {path.absolute()}"),
            database_socket_name=(
                None if database_url is None else _abstract_name_of(database_url, scope)
            ),
        )

    @classmethod
    def of_database(cls, database_url: str, scope: Scope = UNSCOPED) -> "ControlAddress":
        """Return where a database's supervisor of this scope listens if no setting names a path.

        It is the same for every command of the same user with the same `DATABASE_URL` and scope,
        and different for another database or scope.
        """
        file = f"{_digest(_in_scope(database_url, scope))}.sock"
        return cls(
            paths=tuple(folder / file for folder in _folders()),
            is_from_setting=False,
            abstract_name=_abstract_name_of(database_url, scope),
        )

    def __str__(self) -> str:
        """Return the path of the file, for people."""
        return str(self.path)

    @property
    def path(self) -> Path:
        """The first path that can be used; if none can, the last, for the error message."""
        usable = (path for path in self.paths if self.is_from_setting or is_usable(path.parent))
        return next(usable, self.paths[-1])


def is_usable(folder: Path) -> bool:
    """Return True if a folder belongs to us alone, or can be made so."""
    with suppress(OSError):
        return is_trusted(folder) and os.access(folder, os.W_OK)
    with suppress(OSError):
        found = folder.parent.stat()
        is_ours = found.st_uid == os.geteuid()
        is_shared = bool(found.st_mode & stat.S_ISVTX) and bool(found.st_mode & stat.S_IWOTH)
        return os.access(folder.parent, os.W_OK) and (is_ours or is_shared)
    return False


def is_trusted(folder: Path) -> bool:
    """Return True if only we, or root, can add or replace files in a folder.

    Raises:
        OSError: the folder is not there.
    """
    found = folder.lstat()
    is_sticky = bool(found.st_mode & stat.S_ISVTX)
    is_ours = found.st_uid in {os.geteuid(), 0} and stat.S_ISDIR(found.st_mode)
    return is_ours and (not found.st_mode & 0o022 or is_sticky)


@dataclass(frozen=True, slots=True)
class PeerCredentials:
    """The process at the other end of a connection, and its user."""

    pid: int
    uid: int

    @property
    def is_own_user(self) -> bool:
        """True if the process runs as our own user."""
        return self.uid == os.geteuid()

    @property
    def is_trusted(self) -> bool:
        """True if the process runs as our own user or as root."""
        return self.is_own_user or self.uid == 0


def read_peer_credentials(connection: socket.socket) -> PeerCredentials | None:
    """Return the credentials of the other end; None if the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return PeerCredentials(pid, uid)


def is_trusted_peer(connection: socket.socket) -> bool:
    """Return True if the other end is our own user or root; True if the system does not tell."""
    peer = read_peer_credentials(connection)
    return peer is None or peer.is_trusted


def _folders() -> list[Path]:
    uid = os.getuid()
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    folders = [Path(given) / "reconciler"] if given.startswith("/") else []
    folders.append(Path(f"/run/user/{uid}/reconciler"))
    folders.append(Path("/run/reconciler"))
    folders += [Path(parent) / f"reconciler-{uid}" for parent in (tempfile.gettempdir(), "/tmp")]  # noqa: S108 - made for us alone
    return list(dict.fromkeys(folders))


def _abstract_name_of(database_url: str, scope: Scope) -> str:
    return _abstract_name(f"database {_in_scope(database_url, scope)}")


def _in_scope(database_url: str, scope: Scope) -> str:
    return f"{database_url} {scope}" if scope else database_url


def _abstract_name(what: str) -> str:
    return f"\0reconciler-{os.getuid()}-{_digest(what)}"


def _digest(text: str) -> str:
    return blake2s(text.encode(), digest_size=8).hexdigest()
