"""The supervisor's end of the control socket.

Who connects cannot harm the supervisor: a question must be short and come within seconds, an
answer must be taken within seconds, and only so many may ask at once. All else is answered with a
complaint or dropped.

A lock file next to the socket, locked as long as the process lives, says whose the socket is. So a
socket that a killed supervisor has left is taken over, and a living one's never is. Where somebody
has removed both, the supervisor makes them again within a minute, and the name that it holds
besides keeps another from starting meanwhile: see `place`.
"""

import asyncio
import fcntl
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec
import structlog

from reconciler.control.protocol import (
    MOST_BYTES,
    PATH_BYTES,
    VERSION,
    ControlRequest,
    ControlResponse,
    ErrorBody,
)
from reconciler.control.socket_path import (
    HAS_ABSTRACT_NAMES,
    SocketPath,
    is_our_own,
    is_trusted,
    peer_of,
    socket_path_at,
)
from reconciler.errors import ConfigurationError, Problem, SocketTaken

PATIENCE_SECONDS = 5.0
MOST_CLIENTS = 32
KEEP_SECONDS = 60.0

EXAMPLE = '{"version": 1, "command": "status"}'

Responder = Callable[[str, Mapping[str, Any]], Awaitable[object]]

log = structlog.get_logger(__name__)


class ControlServer:
    """Listens at a place and lets `respond` answer. `respond` refuses by `ConfigurationError`."""

    def __init__(self, place: SocketPath | Path, respond: Responder) -> None:
        self._place = socket_path_at(place) if isinstance(place, Path) else place
        self._respond = respond
        self._file: _SocketFile | None = None
        self._servers: dict[str, asyncio.Server] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._is_taken = False
        self._clients = 0

    async def __aenter__(self) -> Self:
        """Begin to listen, as `open` does."""
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        await self.close()

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            SocketTaken: another supervisor listens there.
            ConfigurationError: nothing can listen there.
        """
        try:
            await self._listen_at_name()
            await self._listen_at_file()
            await self._listen_at_other_name()
        except BaseException:
            await self.close()
            raise
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Listen no more, and leave no socket behind."""
        if self._keeping is not None:
            self._keeping.cancel()
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        if self._file is not None:
            self._file.remove()
            self._file = None

    async def _listen_at_name(self) -> None:
        """Take the name, unless another user has it: then the lock must do."""
        if not HAS_ABSTRACT_NAMES:
            return
        listening = _named(self._place.name)
        if listening is None:
            self._refuse_if_held()
            log.warning("control.name_taken", hint="another user has it: see who, and why")
        else:
            self._servers["name"] = await self._served(listening)

    async def _listen_at_other_name(self) -> None:
        """Take the database's name too, unless another supervisor has it."""
        name = self._place.other_name
        if name is None or not HAS_ABSTRACT_NAMES or "other name" in self._servers:
            return
        listening = _named(name)
        if listening is not None:
            self._servers["other name"] = await self._served(listening)

    def _refuse_if_held(self) -> None:
        """Refuse to start where a supervisor of our own user has the name."""
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.settimeout(PATIENCE_SECONDS)
            connection.connect(self._place.name)
            holder = peer_of(connection)
            if holder is not None and holder[1] == os.geteuid():
                raise SocketTaken(path=str(self._place), pid=holder[0])

    async def _listen_at_file(self) -> None:
        """Listen at the first path that can be used; at the name alone where none can.

        Raises:
            ConfigurationError: none can, and a setting says which, or there is no name.
        """
        problems: list[Problem] = []
        for path in self._place.paths:
            try:
                self._file = _SocketFile(path)
            except ConfigurationError as error:
                problems += error.problems
            except OSError as error:
                problems.append(_unusable(path, error.strerror or str(error)))
            else:
                self._servers["file"] = await self._served(self._file.listening)
                return
        if self._place.is_set or not self._servers:
            raise ConfigurationError(problems[-1:])
        log.warning("control.no_file", problem=str(problems[-1]))

    async def _served(self, listening: socket.socket) -> asyncio.Server:
        return await asyncio.start_unix_server(self._serve, sock=listening, limit=MOST_BYTES)

    async def _keep(self) -> None:
        """See again and again that the file is still ours, and make it again where it is not."""
        while self._file is not None:
            await asyncio.sleep(KEEP_SECONDS)
            try:
                await self._see_to_file(self._file)
                await self._listen_at_other_name()
            except (OSError, ConfigurationError) as error:
                log.warning("control.not_kept", reason=str(error))

    async def _see_to_file(self, file: "_SocketFile") -> None:
        if file.is_ours():
            file.touch()
            return
        try:
            fresh = _SocketFile(file.path, lock=file.take_lock())
        except SocketTaken as error:
            if not self._is_taken:
                log.error("control.lost", path=str(file.path), holder=error.pid)  # noqa: TRY400 - no bug
            self._is_taken = True
            return
        before, self._file = self._servers["file"], fresh
        self._servers["file"] = await self._served(fresh.listening)
        before.close()
        self._is_taken = False
        log.warning("control.made_again", path=str(file.path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            # Anybody may connect to a name; to the file only who may open it.
            peer = peer_of(writer.get_extra_info("socket"))
            if self._clients <= MOST_CLIENTS and is_our_own(peer):
                await self._converse(reader, writer)
        except asyncio.CancelledError:
            # The loop ends, and nobody waits for this task: asyncio before 3.12 would report a
            # canceled one as an error of its own, and the supervisor that as a bug.
            return
        except (OSError, TimeoutError) as error:
            log.debug("control.client_lost", reason=str(error) or type(error).__name__)
        finally:
            self._clients -= 1
            _let_go(writer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                said = await reader.readline()
            except ValueError:
                said = b"too long"
        if not said:
            return
        answer = await self._answer(said)
        writer.write(msgspec.json.encode(answer) + b"\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await writer.drain()

    async def _answer(self, said: bytes) -> ControlResponse:
        try:
            result = await self._respond(*_understood(said))
        except ConfigurationError as error:
            return _complaint(*error.problems)
        except Exception:
            log.exception("control.bug")
            return _complaint(Problem(what="the supervisor failed to answer", hint="see its log"))
        return ControlResponse(
            version=VERSION, pid=os.getpid(), result=msgspec.Raw(msgspec.json.encode(result))
        )


def _let_go(writer: asyncio.StreamWriter) -> None:
    """Close the connection; do not wait for a client that does not take its answer."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    else:
        writer.close()


def _understood(said: bytes) -> tuple[str, Mapping[str, Any]]:
    try:
        question = msgspec.json.decode(said, type=ControlRequest)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            [
                Problem(
                    what=f"this is no question: {error}",
                    hint=f"send one line of JSON, {MOST_BYTES:,} bytes at most: {EXAMPLE}",
                )
            ]
        ) from error
    if question.version != VERSION:
        raise ConfigurationError(
            [
                Problem(
                    what=f"version {question.version} is not spoken here, only {VERSION}",
                    hint="use the reconciler command of the release that the supervisor runs",
                )
            ]
        )
    return question.command, question.arguments


def _complaint(*problems: Problem) -> ControlResponse:
    first, *_ = problems
    return ControlResponse(
        version=VERSION, pid=os.getpid(), error=ErrorBody(what=first.what, hint=first.hint)
    )


class _SocketFile:
    """A socket that is bound to a path, and the lock next to it."""

    def __init__(self, path: Path, *, lock: "_Lock | None" = None) -> None:
        """Bind it, under a lock that we have, or take.

        Raises:
            SocketTaken: another supervisor has the lock.
            ConfigurationError: others may write to the folder.
            OSError: it cannot be had.
        """
        self.path = path
        _make_folder(path.parent)
        self._lock = lock or _Lock(path)
        try:
            path.unlink(missing_ok=True)
            self.listening = _bound(path)
        except OSError:
            self._lock.release()
            raise
        self._inode = _inode(path)

    def is_ours(self) -> bool:
        """Whether what is at the path is still what we have made."""
        return _inode(self.path) == self._inode and self._lock.is_in_place()

    def take_lock(self) -> "_Lock":
        """Return the lock that we have, or take it again where somebody has removed it.

        Raises:
            SocketTaken: another supervisor has it by now.
            OSError: it cannot be had.
        """
        if not self._lock.is_in_place():
            _make_folder(self.path.parent)
            fresh = _Lock(self.path)
            self._lock.release()
            self._lock = fresh
        return self._lock

    def touch(self) -> None:
        """Let cleaners of temporary files see that these are in use."""
        for path in (self.path, self._lock.path):
            os.utime(path, follow_symlinks=False)

    def remove(self) -> None:
        """Remove what is ours, and let go of it."""
        if _inode(self.path) == self._inode:
            self.path.unlink(missing_ok=True)
        self.listening.close()
        self._lock.release(removing=True)


class _Lock:
    """A file that is locked for as long as this process lives, with the process' id in it."""

    def __init__(self, socket_path: Path) -> None:
        """Take it.

        Raises:
            SocketTaken: another process has it.
            OSError: it cannot be had.
        """
        self.path = socket_path.with_name(f"{socket_path.name}.lock")
        self._descriptor = self._opened(socket_path)
        while not self.is_in_place():  # Its last holder has removed it meanwhile.
            os.close(self._descriptor)
            self._descriptor = self._opened(socket_path)
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def _opened(self, socket_path: Path) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            pid = int(holder) if holder.isdigit() else None
            raise SocketTaken(path=str(socket_path), pid=pid) from None
        return descriptor

    def is_in_place(self) -> bool:
        """Whether the file at the path is the one that is locked."""
        found = os.fstat(self._descriptor)
        return _inode(self.path) == (found.st_dev, found.st_ino)

    def release(self, *, removing: bool = False) -> None:
        """Let go of it."""
        if removing and self.is_in_place():
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _inode(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another at the same path; None where there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_folder(folder: Path) -> None:
    """Make the socket's folder, for us alone; trust none that others may write to."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not is_trusted(folder):
        raise ConfigurationError([_unusable(folder, "others may write there")])


def _named(name: str) -> socket.socket | None:
    """Bind an abstract socket; None where somebody has that name."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(name)
    except OSError:
        listening.close()
        return None
    return listening


def _bound(path: Path) -> socket.socket:
    """Bind the socket so that from its first moment nobody else may connect."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise OSError(0, f"the path is longer than {PATH_BYTES} bytes")
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    return listening


def _unusable(path: Path, why: str) -> Problem:
    return Problem(
        what=f"the control socket cannot be at {path}: {why}",
        hint=(
            "set RECONCILIATION_CONTROL_SOCKET, for the supervisor and for the commands that ask"
            " it, to a path in a folder that only its user may write to"
        ),
    )
