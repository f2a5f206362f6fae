"""The real command as a process that a test can listen to, signal, and wait for."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DEADLINE_SECONDS = 300.0
"""Only for a test that hangs: a busy machine needs a fraction of it."""

LogLine = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EndedCommand:
    """The exit code of a command, and what it printed."""

    exit_code: int
    out: str
    err: str
    seconds: float

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object that it printed."""
        report: dict[str, Any] = json.loads(self.out)
        return report


class RunningCommand:
    """`python -m reconciler ...`, in a session of its own, for the length of a `with`.

    Or another `module` that is run in the same way.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, object],
        folder: Path,
        module: str = "reconciler",
    ) -> None:
        self._arguments = [sys.executable, "-m", module, *arguments]
        self.environment = os.environ | {name: str(value) for name, value in environment.items()}
        self._folder = folder
        self._err: list[str] = []
        self._out = ""
        self._has_ended = False
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._arguments,
            env=self.environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, name="listener")
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()

    @property
    def pid(self) -> int:
        """The command's process id, and its group's."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True until it has ended by itself."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def send_as_terminal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as a terminal does."""
        os.killpg(self.pid, number)

    def logged(self, event: str) -> list[LogLine]:
        """Return the log's lines of one event so far."""
        with self._news:
            return [line for text in self._err if (line := _parse(text)).get("event") == event]

    def wait_for(self, event: str, count: int = 1) -> LogLine:
        """Wait for the log's `count`th line of an event; return it."""
        with self._news:
            is_known = self._news.wait_for(
                lambda: self.logged(event)[count - 1 :] or self._has_ended,
                DEADLINE_SECONDS,
            )
            lines = self.logged(event)[count - 1 :]
        assert is_known, f"no {event} in time:\n{self._written()}"
        assert lines, f"it ended without {event}:\n{self._written()}"
        return lines[0]

    def wait_for_text(self, text: str, count: int = 1) -> None:
        """Wait for the `count`th line on standard error that contains a text."""
        with self._news:
            found = self._news.wait_for(lambda: self.count_text(text) >= count, DEADLINE_SECONDS)
        assert found, f"no {text!r} in time:\n{self._written()}"

    def count_text(self, text: str) -> int:
        """Return the number of lines on standard error so far that contain a text."""
        with self._news:
            return sum(text in line for line in self._err)

    def end(self) -> EndedCommand:
        """Wait until it ends by itself."""
        self._listener.join(DEADLINE_SECONDS)
        exit_code = self._process.wait(DEADLINE_SECONDS)
        if exit_code == -signal.SIGINT:
            exit_code = 128 + signal.SIGINT  # As a shell reports it: see tests/cli/test_bad_input.
        seconds = time.monotonic() - self._started
        return EndedCommand(
            exit_code=exit_code, out=self._out, err=self._written(), seconds=seconds
        )

    def _listen(self) -> None:
        """Read all that it prints."""
        out_listener = threading.Thread(target=self._read_out, name="listener")
        out_listener.start()
        assert self._process.stderr is not None
        with self._process.stderr as err:
            for line in err:
                with self._news:
                    self._err.append(line)
                    self._news.notify_all()
        out_listener.join()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            self._out = out.read()

    def _written(self) -> str:
        return "".join(self._err)


def _parse(text: str) -> LogLine:
    try:
        line: LogLine = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
