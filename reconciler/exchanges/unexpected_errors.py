"""Turn an unexpected exception, raised while an answer was read, into that request's failure."""

import traceback
from pathlib import Path

import structlog

from reconciler.errors import Malformed
from reconciler.telemetry.redact import redact

_MAX_LOGGED = 100

log = structlog.get_logger(__name__)

_logged: set[tuple[str, str]] = set()


def unexpected_as_malformed(error: Exception) -> Malformed:
    """Return `error` as the failure of one request.

    It is a bug of ours, and is logged with its traceback: once per process and line of code, since
    it may recur with every request.
    """
    kind, location = type(error).__name__, _location_of(error)
    if (kind, location) not in _logged and len(_logged) < _MAX_LOGGED:
        _logged.add((kind, location))
        # Neither its text nor its values: they may hold the address with its signature.
        trace = redact("".join(traceback.format_tb(error.__traceback__)))
        log.error("exchange.answer_not_handled", error=kind, place=location, trace=trace)
    return Malformed(f"the answer could not be handled: {kind} at {location}, see the log")


def _location_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no place"
