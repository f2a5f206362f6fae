"""What reading an answer raises, though it should not: that answer's failure, and a log line."""

import traceback
from pathlib import Path

import structlog

from reconciler.errors import Malformed
from reconciler.telemetry.redact import redact

_MOST_REMEMBERED = 100

log = structlog.get_logger(__name__)

_logged: set[tuple[str, str]] = set()


def unforeseen(error: Exception) -> Malformed:
    """Return `error` as the failure of one request, whatever the exchange had sent.

    It is a bug of ours, and shows in the log with its traceback: once a process for each place,
    since it may come again with every request.
    """
    kind, place = type(error).__name__, _place_of(error)
    if (kind, place) not in _logged and len(_logged) < _MOST_REMEMBERED:
        _logged.add((kind, place))
        # Neither its text nor its values: they may hold the address with its signature.
        trace = redact("".join(traceback.format_tb(error.__traceback__)))
        log.error("exchange.answer_not_handled", error=kind, place=place, trace=trace)
    return Malformed(f"the answer could not be handled: {kind} at {place}, see the log")


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no place"
