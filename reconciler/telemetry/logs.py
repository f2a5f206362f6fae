"""Set up the log, once per process: structlog for us, the standard library's loggers beside it.

Every line carries `timestamp` (UTC, ISO 8601), `level`, `logger`, `event`, `pid` and the process'
context, whoever wrote it. Secrets are taken out of the finished line, so that none gets through in
a message, a nested value, a traceback or an error's text.
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

_BRING_THEIR_OWN_HANDLERS = ("uvicorn", "uvicorn.access", "uvicorn.error")
_TOO_TALKATIVE = ("httpx", "httpcore")

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

    What cannot be written is dropped and counted: nothing that is logged ever raises. The next line
    that gets through is followed by `log.lines_lost`, with the count.

    A later call replaces the earlier one. uvicorn must be started with `log_config=None`, or it
    puts its own handlers back.

    Args:
        level: The least that is written, by its standard name: `INFO`. httpx and httpcore, which
            write a line with the whole address for each request, are kept at `WARNING` at least.
        format: None is `console` when `stream` is a terminal, else `json`.
        secrets: Values that may never appear; see `reconciler.telemetry.redact`.
        context: What each line is to carry besides: `{"shard": 3}`.
        stream: Where lines go.
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
        # A module's logger may have been made, and used, before this: it must follow all the same.
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    handler.setFormatter(_formatter(shared, format or _default_format(stream), stream))
    _adopt_standard_loggers(handler, threshold)


def _shared_processors(context: Mapping[str, object]) -> list[Processor]:
    """Return what both our lines and the standard library's go through."""
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


class _Handler(logging.Handler):
    """Writes lines, never raises, and says how many could not be written when it works again."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._unreported = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record's line, or count it as lost."""
        if not self._put(self._line_of(record)):
            self._unreported += 1
            _lost.add()
        elif self._unreported:
            self._report()

    def _line_of(self, record: logging.LogRecord) -> str:
        """Return its line; or that it cannot be had: the standard way would print its arguments."""
        try:
            return self.format(record)
        except Exception as error:  # noqa: BLE001 - whatever is logged, the work goes on
            where = f"{record.name} ({record.pathname}:{record.lineno})"
            return redact(f"a log line of {where} was lost: {error!r}")

    def _put(self, line: str) -> bool:
        if isinstance(self._stream, StandardError):
            return self._stream.put(f"{line}\n")
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it has been closed.
            return False
        return True

    def _report(self) -> None:
        lines, self._unreported = self._unreported, 0
        log.error("log.lines_lost", lines=lines)
        if self._unreported:  # Not even that could be written.
            self._unreported += lines


class _Lost:
    """Counts lines that could not be written, until somebody takes the count."""

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


_lost = _Lost()


def take_lost_lines() -> int:
    """Return how many lines of this process' log were lost since the last call."""
    return _lost.take()


def _adopt_standard_loggers(handler: logging.Handler, threshold: int) -> None:
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name in _BRING_THEIR_OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
