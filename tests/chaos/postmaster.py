"""Kill an embedded PostgreSQL as the kernel's out-of-memory killer does, and start it again."""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil  # type: ignore[import-untyped] # it ships no types
import psycopg

_DEADLINE_SECONDS = 300.0
_LOOK_SECONDS = 0.05


class Postmaster:
    """The server at a URL, for the length of a `with`; a server that it started ends with it."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        with psycopg.connect(database_url) as connection:
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        self._data = Path(folder)
        self._started: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._started is not None:
            self._started.send_signal(signal.SIGINT)
            self._started.wait()

    def kill(self) -> None:
        """Kill the postmaster alone; wait until its sessions have ended."""
        process = self._process()
        self._command, self._user = process.cmdline(), process.uids().real
        sessions = process.children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        if self._started is not None:
            self._started.wait()
        _, left = psutil.wait_procs(sessions, timeout=_DEADLINE_SECONDS)
        for session in left:
            session.kill()

    def start(self) -> None:
        """Start it again as it was; wait until it has recovered and accepts connections.

        Raises:
            TimeoutError: it does not in time.
        """
        with (self._data / "log").open("ab") as log:
            self._started = subprocess.Popen(  # noqa: S603 - as it was started before
                self._command,
                user=self._user,
                cwd=self._data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not self._accepts_connections():
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL did not come back")
            time.sleep(_LOOK_SECONDS)

    def _process(self) -> psutil.Process:
        first_line = (self._data / "postmaster.pid").read_text(encoding="ascii").split()[0]
        return psutil.Process(int(first_line))

    def _accepts_connections(self) -> bool:
        try:
            psycopg.connect(self._url).close()
        except psycopg.OperationalError:
            return False
        return True
