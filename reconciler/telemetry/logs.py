"""Set up the log of a process: structlog's for our own lines, the standard library's for others.

Every line carries `timestamp` (UTC, ISO 8601), `level`, `logger`, `event`, `pid` and the process'
context, also the lines of other libraries. Secrets are masked in the finished line, so that none
gets through in a message, a nested value, a traceback or an error's text.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TextIO

import structlog
from pydantic import SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from reconciler.telemetry.redact import mask_named, redact, register_secrets
from reconciler.telemetry.standard_error import StandardError, protect_standard_error

LogFormat = Literal["console", "json"]

_LOGGERS_WITH_OWN_HANDLERS = ("uvicorn", "uvicorn.access", "uvicorn.error")
_VERBOSE_LOGGERS = ("httpx", "httpcore")

log = structlog.get_logger(__name__)


def configure_logs(
    level: str,
    format: LogFormat | None,  # noqa: A002 - the setting's name
    *,
    secrets: Iterable[SecretStr] = (),
    context: Mapping[str, object] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send the log of this process to `stream` (standard error by default), without `secrets`.

    A line that cannot be written is dropped and counted: logging never raises. After the next line
    that can be written, `log.lines_lost` gives the count.

    A later call replaces the earlier one. uvicorn must be started with `log_config=None`, or it
    puts its own handlers back.

    Args:
        level: The lowest level that is written, by its standard name: `INFO`. For httpx and
            httpcore, which write a line with the whole address for each request, it is at least
            `WARNING`.
        format: None means `console` if `stream` is a terminal, else `json`.
        secrets: Values to mask; see `reconciler.telemetry.redact`.
        context: Further fields of each line: `{"shard": 3}`.
        stream: Where lines are written.
    """
    register_secrets(secrets)
    stream = protect_standard_error() if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level]
    shared = _shared_processors(dict(context or {}))
    structlog.configure(
        processors=[
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A module's logger may have been made and used before this, and must follow it too.
        cache_logger_on_first_use=False,
    )
    handler = _DroppingHandler(stream)
    handler.setFormatter(_formatter(shared, format or _default_format(stream), stream))
    _configure_standard_loggers(handler, threshold)


def _shared_processors(context: Mapping[str, object]) -> list[Processor]:
    """Return the processors of both our lines and the standard library's."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _add_process(context),
    ]


def _add_process(context: Mapping[str, object]) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {**context, "pid": os.getpid(), **event}

    return add


def _mask_named(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    masked = mask_named(event)
    assert isinstance(masked, dict)  # noqa: S101 - a mapping stays one; this tells the type
    return masked


def _default_format(stream: TextIO) -> LogFormat:
    return "console" if stream.isatty() else "json"


def _formatter(
    shared: list[Processor], log_format: LogFormat, stream: TextIO
) -> "_RedactingFormatter":
    return _RedactingFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _mask_named,
            *_RENDERERS[log_format](stream),
        ],
    )


def _console(stream: TextIO) -> list[Processor]:
    # The plain traceback: the pretty one shows the values of local variables.
    return [
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty() and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        )
    ]


def _json(_: TextIO) -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


_RENDERERS: Mapping[LogFormat, Callable[[TextIO], list[Processor]]] = {
    "console": _console,
    "json": _json,
}


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _DroppingHandler(logging.Handler):
    """Writes lines and never raises; logs the number of lost lines once it can write again."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._unreported = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line, or count it as lost."""
        if not self._write(self._format_safely(record)):
            self._unreported += 1
            _lost_lines.add()
        elif self._unreported:
            self._log_lost_lines()

    def _format_safely(self, record: logging.LogRecord) -> str:
        """Return a record's line, or one about the error: the default would print the arguments."""
        try:
            return self.format(record)
        except Exception as error:  # noqa: BLE001 - no log call may stop the work
            where = f"{record.name} ({record.pathname}:{record.lineno})"
            return redact(f"a log line of {where} was lost: {error!r}")

    def _write(self, line: str) -> bool:
        if isinstance(self._stream, StandardError):
            return self._stream.write_whole(f"{line}\n")
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it has been closed.
            return False
        return True

    def _log_lost_lines(self) -> None:
        lines, self._unreported = self._unreported, 0
        log.error("log.lines_lost", lines=lines)
        if self._unreported:  # That line could not be written either.
            self._unreported += lines


class _LostLines:
    """A count of the lines that could not be written, until it is taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines = 0

    def add(self) -> None:
        with self._lock:
            self._lines += 1

    def take(self) -> int:
        with self._lock:
            lines, self._lines = self._lines, 0
        return lines


_lost_lines = _LostLines()


def take_lost_lines() -> int:
    """Return the number of lines of this process' log that were lost since the last call."""
    return _lost_lines.take()


def _configure_standard_loggers(handler: logging.Handler, threshold: int) -> None:
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name in _LOGGERS_WITH_OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
