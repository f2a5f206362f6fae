"""One program as a child process in a session of its own, with a log and a port."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from reconciler.errors import ConfigurationError, Problem

START_SECONDS = 120.0
"""Only for a program that hangs: a busy machine needs a fraction of it."""

STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05
LAST_LINES = 5

_NOT_PASSED_ON = (
    "CARBON_",
    "DATABASE_URL",
    "DJANGO_",
    "EXCHANGE_",
    "GRAPHITE_",
    "PYTHON",
    "RECONCILIATION_",
    "STATSD_",
    "VIRTUAL_ENV",
)
"""Variables of ours, or of our Python, that would change what another program does."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port of this machine that nobody uses at this moment."""
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Child:
    """A program that runs until `stop`. Its process group's id is in `<folder>/<name>.pid`."""

    def __init__(
        self, name: str, command: Sequence[str | Path], *, folder: Path, environment: dict[str, str]
    ) -> None:
        """Start it in `folder`; its output goes to `<folder>/log/<name>.log`."""
        self.name = name
        self._log = folder / "log" / f"{name}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                cwd=folder,
                env=clean_environment(os.environ) | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must reach only us: we end it when we are done
            )
        self._pid_file = folder / f"{name}.pid"
        self._pid_file.write_text(str(self._process.pid), encoding="utf-8")

    def wait_until_listening(self, port: int) -> None:
        """Wait until it accepts connections.

        Raises:
            ConfigurationError: it ended before.
        """
        deadline = time.monotonic() + START_SECONDS
        while not _is_open(port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise self._did_not_start()
            time.sleep(LOOK_SECONDS)

    def wait(self) -> None:
        """Wait until it has ended by itself.

        Raises:
            ConfigurationError: it failed.
        """
        if self._process.wait(START_SECONDS) != 0:
            raise self._did_not_start()

    @property
    def has_ended(self) -> bool:
        """True if it does not run any more."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it, and what it has started."""
        self._end()
        self._pid_file.unlink(missing_ok=True)

    def _end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
                return

    def _did_not_start(self) -> ConfigurationError:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = "\n".join(lines[-LAST_LINES:]) or "(nothing)"
        return ConfigurationError(
            [Problem(what=f"{self.name} did not start; it said: {said}", hint=f"see {self._log}")]
        )


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a program that is not ours may see."""
    return {
        name: value for name, value in environment.items() if not name.startswith(_NOT_PASSED_ON)
    }


def _is_open(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0
