"""The supervisor's end of the control socket.

Who connects cannot harm the supervisor: a question must be short and come within seconds, an
answer must be taken within seconds, and only so many may ask at once. All else is answered with a
complaint or dropped.

A lock file beside the socket, locked as long as the process lives, says whose the socket is. So a
socket that a killed supervisor has left is taken over, and a living one's never is.
"""

import asyncio
import fcntl
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from reconciler.errors import ConfigurationError, Problem, SocketTaken
from reconciler.supervisor.control.protocol import (
    MOST_BYTES,
    PATH_BYTES,
    VERSION,
    Answer,
    Complaint,
    Question,
)

PATIENCE_SECONDS = 5.0
MOST_CLIENTS = 32

EXAMPLE = '{"version": 1, "command": "status"}'

Responder = Callable[[str, Mapping[str, Any]], Awaitable[object]]

log = structlog.get_logger(__name__)


class ControlServer:
    """Listens at a path and lets `respond` answer. `respond` refuses by `ConfigurationError`."""

    def __init__(self, path: Path, respond: Responder) -> None:
        self._path = path
        self._respond = respond
        self._lock: int | None = None
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            SocketTaken: another supervisor listens there.
            ConfigurationError: nothing can listen there.
        """
        try:
            _make_folder(self._path.parent)
            self._lock = _lock(self._path)
            self._path.unlink(missing_ok=True)
            listening = _bound(self._path)
        except OSError as error:
            await self.close()
            raise ConfigurationError(
                [_unusable(self._path, error.strerror or str(error))]
            ) from error
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listening, limit=MOST_BYTES
        )

    async def close(self) -> None:
        """Listen no more, and leave no socket behind."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            self._server = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= MOST_CLIENTS:
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

    async def _answer(self, said: bytes) -> Answer:
        try:
            result = await self._respond(*_understood(said))
        except ConfigurationError as error:
            return _complaint(*error.problems)
        except Exception:
            log.exception("control.bug")
            return _complaint(Problem(what="the supervisor failed to answer", hint="see its log"))
        return Answer(
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
        question = msgspec.json.decode(said, type=Question)
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


def _complaint(*problems: Problem) -> Answer:
    first, *_ = problems
    return Answer(
        version=VERSION, pid=os.getpid(), error=Complaint(what=first.what, hint=first.hint)
    )


def _make_folder(folder: Path) -> None:
    """Make the socket's folder, for us alone; trust none that others may write to."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    is_sticky = bool(found.st_mode & stat.S_ISVTX)
    is_ours = found.st_uid in {os.geteuid(), 0} and stat.S_ISDIR(found.st_mode)
    if not is_ours or (found.st_mode & 0o022 and not is_sticky):
        raise ConfigurationError([_unusable(folder, "others may write there")])


def _lock(path: Path) -> int:
    """Lock the file beside the socket for as long as this process lives; return its descriptor."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise SocketTaken(path=str(path), pid=int(holder) if holder.isdigit() else None) from None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor


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
        hint="set RECONCILIATION_CONTROL_SOCKET to a path in a folder that is ours alone",
    )
