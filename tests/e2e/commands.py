"""The real command as a process that can be listened to, signalled, and waited for."""

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

DEADLINE_SECONDS = 60.0

Line = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a command left when it ended."""

    exit_code: int
    out: str
    err: str
    seconds: float

    @property
    def report(self) -> dict[str, Any]:
        """The one JSON object that it printed."""
        report: dict[str, Any] = json.loads(self.out)
        return report


class Running:
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
        self._environment = os.environ | {name: str(value) for name, value in environment.items()}
        self._folder = folder
        self._err: list[str] = []
        self._out = ""
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._arguments,
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._listeners = [
            threading.Thread(target=listen, name="listener")
            for listen in (self._listen_to_out, self._listen_to_err)
        ]
        for listener in self._listeners:
            listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for listener in self._listeners:
            listener.join()

    @property
    def pid(self) -> int:
        """The command's process id, and its group's."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def send_as_terminal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, as a terminal does."""
        os.killpg(self.pid, number)

    def logged(self, event: str) -> list[Line]:
        """Return the log's lines of one event so far."""
        with self._news:
            return [line for text in self._err if (line := _read(text)).get("event") == event]

    def wait_for(self, event: str, count: int = 1) -> Line:
        """Wait for the log's `count`th line of an event; return it."""
        with self._news:
            found = self._news.wait_for(
                lambda: self.logged(event)[count - 1 :] or not self._listeners[1].is_alive(),
                DEADLINE_SECONDS,
            )
            lines = self.logged(event)[count - 1 :]
        assert found, f"no {event} in time:\n{self._shown()}"
        assert lines, f"it ended without {event}:\n{self._shown()}"
        return lines[0]

    def wait_for_text(self, text: str, count: int = 1) -> None:
        """Wait until so many lines with this text are written to standard error."""
        with self._news:
            found = self._news.wait_for(lambda: self.count_text(text) >= count, DEADLINE_SECONDS)
        assert found, f"no {text!r} in time:\n{self._shown()}"

    def count_text(self, text: str) -> int:
        """Return how many lines with this text were written to standard error so far."""
        with self._news:
            return sum(text in line for line in self._err)

    def end(self) -> Ended:
        """Wait until it ends by itself."""
        exit_code = self._process.wait(DEADLINE_SECONDS)
        if exit_code == -signal.SIGINT:
            exit_code = 128 + signal.SIGINT  # As a shell reports it: see tests/cli/test_bad_input.
        seconds = time.monotonic() - self._started
        for listener in self._listeners:
            listener.join(DEADLINE_SECONDS)
        return Ended(exit_code=exit_code, out=self._out, err=self._shown(), seconds=seconds)

    def _listen_to_out(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            self._out = out.read()

    def _listen_to_err(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as err:
            for line in err:
                with self._news:
                    self._err.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _shown(self) -> str:
        return "".join(self._err)


def _read(text: str) -> Line:
    try:
        line: Line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
