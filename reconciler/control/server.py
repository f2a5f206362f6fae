"""The supervisor's end of the control socket.

No client can harm the supervisor: a request must be short and complete within seconds, its
response must be read within seconds, and the number of clients at once is limited. Every other
request gets an error, or is dropped.

A lock file next to the socket, locked while the process lives, tells which supervisor the socket
belongs to. So a supervisor takes over a socket that a killed one has left, but never that of a
running one. If both files have been removed, the supervisor makes them again within a minute; in
the meantime the abstract name, which it also holds, keeps another supervisor from starting: see
`address`.
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

from reconciler.control.address import (
    HAS_ABSTRACT_NAMES,
    ControlAddress,
    is_trusted,
    is_trusted_peer,
    read_peer_credentials,
)
from reconciler.control.protocol import (
    MAX_PATH_BYTES,
    MAX_REQUEST_BYTES,
    VERSION,
    ControlRequest,
    ControlResponse,
    ErrorBody,
)
from reconciler.errors import ConfigurationError, Problem, SocketTaken

TIMEOUT_SECONDS = 5.0
MAX_CLIENTS = 32
CHECK_FILES_SECONDS = 60.0

EXAMPLE = '{"version": 1, "command": "status"}'

Responder = Callable[[str, Mapping[str, Any]], Awaitable[object]]

log = structlog.get_logger(__name__)


class ControlServer:
    """Listens at an address, and answers each command with what `respond` returns for it.

    `respond` refuses a command by raising `ConfigurationError`.
    """

    def __init__(self, address: ControlAddress, respond: Responder) -> None:
        self._address = address
        self._respond = respond
        self._file: _SocketFile | None = None
        self._servers: dict[str, asyncio.Server] = {}
        self._file_check: asyncio.Task[None] | None = None
        self._is_path_taken_over = False
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
            await self._listen_at_abstract_name()
            await self._listen_at_path()
            await self._listen_at_database_socket_name()
        except BaseException:
            await self.close()
            raise
        self._file_check = asyncio.create_task(self._check_files())

    async def close(self) -> None:
        """Stop listening, and leave no socket behind."""
        if self._file_check is not None:
            self._file_check.cancel()
        for server in self._servers.values():
            server.close()
        self._servers.clear()
        if self._file is not None:
            self._file.remove()
            self._file = None

    async def _listen_at_abstract_name(self) -> None:
        """Bind the abstract name. If another user holds it, rely on the lock file alone."""
        if not HAS_ABSTRACT_NAMES:
            return
        listener_socket = _bind_abstract_name(self._address.abstract_name)
        if listener_socket is None:
            self._refuse_if_held()
            log.warning(
                "control.name_taken",
                hint="another user holds the abstract name: find out which process",
            )
        else:
            self._servers["abstract name"] = await self._start_server(listener_socket)

    async def _listen_at_database_socket_name(self) -> None:
        """Take the database's abstract name too, unless another supervisor has it."""
        name = self._address.database_socket_name
        if name is None or not HAS_ABSTRACT_NAMES or "database name" in self._servers:
            return
        listener_socket = _bind_abstract_name(name)
        if listener_socket is not None:
            self._servers["database name"] = await self._start_server(listener_socket)

    def _refuse_if_held(self) -> None:
        """Raise `SocketTaken` if a supervisor of our own user has the abstract name."""
        with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
            connection.settimeout(TIMEOUT_SECONDS)
            connection.connect(self._address.abstract_name)
            holder = read_peer_credentials(connection)
            if holder is not None and holder.is_own_user:
                raise SocketTaken(path=str(self._address), pid=holder.pid)

    async def _listen_at_path(self) -> None:
        """Listen at the first path that can be used; if none can, at the abstract name alone.

        Raises:
            ConfigurationError: no path can be used, and either a setting names the path or no
                abstract name is bound.
        """
        problems: list[Problem] = []
        for path in self._address.paths:
            try:
                self._file = _SocketFile(path)
            except ConfigurationError as error:
                problems += error.problems
            except OSError as error:
                problems.append(_unusable(path, error.strerror or str(error)))
            else:
                self._servers["path"] = await self._start_server(self._file.listener_socket)
                return
        if self._address.is_from_setting or not self._servers:
            raise ConfigurationError(problems[-1:])
        log.warning("control.no_file", problem=str(problems[-1]))

    async def _start_server(self, listener_socket: socket.socket) -> asyncio.Server:
        return await asyncio.start_unix_server(
            self._serve, sock=listener_socket, limit=MAX_REQUEST_BYTES
        )

    async def _check_files(self) -> None:
        """Check periodically that the files are still ours; recreate them if not."""
        while self._file is not None:
            await asyncio.sleep(CHECK_FILES_SECONDS)
            try:
                await self._keep_or_restore(self._file)
                await self._listen_at_database_socket_name()
            except (OSError, ConfigurationError) as error:
                log.warning("control.not_kept", reason=str(error))

    async def _keep_or_restore(self, file: "_SocketFile") -> None:
        if file.is_ours():
            file.touch()
            return
        try:
            restored = _SocketFile(file.path, lock=file.take_lock())
        except SocketTaken as error:
            if not self._is_path_taken_over:
                log.error("control.lost", path=str(file.path), holder=error.pid)  # noqa: TRY400 - no bug
            self._is_path_taken_over = True
            return
        old_server, self._file = self._servers["path"], restored
        self._servers["path"] = await self._start_server(restored.listener_socket)
        old_server.close()
        self._is_path_taken_over = False
        log.warning("control.made_again", path=str(file.path))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            # Any user may connect to an abstract name; the file's mode keeps other users out.
            is_trusted_client = is_trusted_peer(writer.get_extra_info("socket"))
            if self._clients <= MAX_CLIENTS and is_trusted_client:
                await self._answer_request(reader, writer)
        except asyncio.CancelledError:
            # The loop ends, and nothing awaits this task: asyncio before 3.12 would report a
            # cancelled one as an error of its own, and the supervisor would report that as a bug.
            return
        except (OSError, TimeoutError) as error:
            log.debug("control.client_lost", reason=str(error) or type(error).__name__)
        finally:
            self._clients -= 1
            _close_connection(writer)

    async def _answer_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            try:
                line = await reader.readline()
            except ValueError:
                line = b"too long"
        if not line:
            return
        response = await self._response_to(line)
        writer.write(msgspec.json.encode(response) + b"\n")
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await writer.drain()

    async def _response_to(self, line: bytes) -> ControlResponse:
        try:
            result = await self._respond(*_parse_request(line))
        except ConfigurationError as error:
            return _error_response(*error.problems)
        except Exception:
            log.exception("control.bug")
            return _error_response(
                Problem(what="the supervisor failed to answer", hint="see its log")
            )
        return ControlResponse(
            version=VERSION, pid=os.getpid(), result=msgspec.Raw(msgspec.json.encode(result))
        )


def _close_connection(writer: asyncio.StreamWriter) -> None:
    """Close a connection; do not wait for a client that does not read its response."""
    if writer.transport.get_write_buffer_size():
        writer.transport.abort()
    else:
        writer.close()


def _parse_request(line: bytes) -> tuple[str, Mapping[str, Any]]:
    """Return the command and its arguments."""
    try:
        request = msgspec.json.decode(line, type=ControlRequest)
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            [
                Problem(
                    what=f"this is not a request: {error}",
                    hint=f"send one line of JSON, at most {MAX_REQUEST_BYTES:,} bytes: {EXAMPLE}",
                )
            ]
        ) from error
    if request.version != VERSION:
        raise ConfigurationError(
            [
                Problem(
                    what=f"version {request.version} is not supported here, only {VERSION}",
                    hint="use the reconciler command of the release that the supervisor runs",
                )
            ]
        )
    return request.command, request.arguments


def _error_response(*problems: Problem) -> ControlResponse:
    first, *_ = problems
    return ControlResponse(
        version=VERSION, pid=os.getpid(), error=ErrorBody(what=first.what, hint=first.hint)
    )


class _SocketFile:
    """A socket that is bound to a path, and the lock file next to it."""

    def __init__(self, path: Path, *, lock: "_SocketLock | None" = None) -> None:
        """Bind the socket, under a lock that we have or take.

        Raises:
            SocketTaken: another supervisor has the lock.
            ConfigurationError: other users may write to the folder.
            OSError: the socket cannot be bound, or the lock file not made.
        """
        self.path = path
        _make_folder(path.parent)
        self._lock = lock or _SocketLock(path)
        try:
            path.unlink(missing_ok=True)
            self.listener_socket = _bind_path(path)
        except OSError:
            self._lock.release()
            raise
        self._inode = _inode(path)

    def is_ours(self) -> bool:
        """Return True if the files at the paths are still the ones that we made."""
        return _inode(self.path) == self._inode and self._lock.is_in_place()

    def take_lock(self) -> "_SocketLock":
        """Return the lock that we have; take it again if the lock file has been removed.

        Raises:
            SocketTaken: another supervisor has taken it in the meantime.
            OSError: the lock file cannot be made.
        """
        if not self._lock.is_in_place():
            _make_folder(self.path.parent)
            retaken = _SocketLock(self.path)
            self._lock.release()
            self._lock = retaken
        return self._lock

    def touch(self) -> None:
        """Set the files' times to now, so that cleaners of temporary files leave them."""
        for path in (self.path, self._lock.path):
            os.utime(path, follow_symlinks=False)

    def remove(self) -> None:
        """Remove the files that we made, and release the lock."""
        if _inode(self.path) == self._inode:
            self.path.unlink(missing_ok=True)
        self.listener_socket.close()
        self._lock.release(removing=True)


class _SocketLock:
    """A file that is locked while this process lives, and holds the process id."""

    def __init__(self, socket_path: Path) -> None:
        """Take the lock.

        Raises:
            SocketTaken: another process has it.
            OSError: the lock file cannot be made.
        """
        self.path = socket_path.with_name(f"{socket_path.name}.lock")
        self._descriptor = self._open_and_lock(socket_path)
        while not self.is_in_place():  # Its last holder has removed it meanwhile.
            os.close(self._descriptor)
            self._descriptor = self._open_and_lock(socket_path)
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def _open_and_lock(self, socket_path: Path) -> int:
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
        """Return True if the file at the path is the one that is locked."""
        found = os.fstat(self._descriptor)
        return _inode(self.path) == (found.st_dev, found.st_ino)

    def release(self, *, removing: bool = False) -> None:
        """Release the lock, and with `removing` remove the file."""
        if removing and self.is_in_place():
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def _inode(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of the file at `path`; None if it cannot be read."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _make_folder(folder: Path) -> None:
    """Make the socket's folder for us alone; refuse one that other users may write to."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not is_trusted(folder):
        raise ConfigurationError([_unusable(folder, "others may write there")])


def _bind_abstract_name(name: str) -> socket.socket | None:
    """Return a socket that is bound to an abstract name; None if that fails."""
    listener_socket = socket.socket(socket.AF_UNIX)
    try:
        listener_socket.bind(name)
    except OSError:
        listener_socket.close()
        return None
    return listener_socket


def _bind_path(path: Path) -> socket.socket:
    """Return a socket that is bound to a path; from its first moment only our user may connect."""
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise OSError(0, f"the path is longer than {MAX_PATH_BYTES} bytes")
    listener_socket = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener_socket.bind(str(path))
    except OSError:
        listener_socket.close()
        raise
    finally:
        os.umask(before)
    return listener_socket


def _unusable(path: Path, why: str) -> Problem:
    return Problem(
        what=f"the control socket cannot be at {path}: {why}",
        hint=(
            "set RECONCILIATION_CONTROL_SOCKET, for the supervisor and for the commands that ask"
            " it, to a path in a folder that only its user may write to"
        ),
    )
