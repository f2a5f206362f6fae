"""A supervisor as a process of its own, with its log."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from reconciler.cli.exit_codes import Exit

RUN = (sys.executable, "-m", "reconciler", "run")
HANG_SECONDS = 300.0
"""Only for a supervisor that hangs: a busy machine needs a fraction of it."""


class SupervisorProcess:
    """`reconciler run`, or another command that supervises, for the length of a `with`."""

    def __init__(self, environment: Mapping[str, str], *, command: Sequence[str] = RUN) -> None:
        self._environment = os.environ | environment
        self._command = command

    def __enter__(self) -> Self:
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def start(self) -> None:
        """Start it, again too: its log goes on."""
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            self._command, env=self._environment, stdout=self._log, stderr=self._log
        )

    def start_again_if_too_slow(self) -> None:
        """Start it again, as supervisord does, if on a busy machine no worker was ready in time.

        Raises:
            RuntimeError: it has ended for another reason.
        """
        exit_code = self.process.poll()
        if exit_code == Exit.UNAVAILABLE:
            self.start()
        elif exit_code is not None:
            last_lines = "".join(self.log_lines()[-20:])
            raise RuntimeError(f"the supervisor ended with code {exit_code}:\n{last_lines}")

    def log_lines(self) -> list[str]:
        """Read the lines of its log so far."""
        self._log.seek(0)
        return self._log.readlines()
