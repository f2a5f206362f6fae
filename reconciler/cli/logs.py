"""Logging of a command and of its workers, as the settings say."""

import sys
from collections.abc import Callable
from functools import partial

from pydantic import SecretStr

from reconciler.settings import Settings
from reconciler.telemetry.logs import configure_logs


def set_up_logs(settings: Settings) -> None:
    """Set up logging in this process."""
    configure_logs(
        settings.log_level,
        settings.log_format,
        secrets=secrets_of(settings),
        context=_context(settings),
    )


def load_settings() -> Settings:
    """Read the settings and set up logging, for a command that prints its result and exits."""
    settings = warnings_only(Settings.load())
    set_up_logs(settings)
    return settings


def set_up_supervisor_logs(settings: Settings, *, is_once: bool) -> None:
    """Set up logging in a supervisor. A single sweep on a terminal logs only warnings."""
    set_up_logs(warnings_only(settings) if is_once and sys.stderr.isatty() else settings)


def warnings_only(settings: Settings) -> Settings:
    """Return the settings with the level WARNING, unless they set a level.

    For commands that exit by themselves: their output is their result.
    """
    if "log_level" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"log_level": "WARNING"})


def worker_logs_setup(settings: Settings, shard: int) -> Callable[[], None]:
    """Return a function that sets up logging in a shard's worker, to be sent and called there."""
    return partial(
        configure_logs,
        settings.log_level,
        settings.log_format,
        secrets=secrets_of(settings),
        context={"shard": shard, **_context(settings)},
    )


def _context(settings: Settings) -> dict[str, object]:
    return {"scope": settings.scope} if settings.scope else {}


def secrets_of(settings: Settings) -> tuple[SecretStr, ...]:
    """Return every secret among the settings."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return tuple(value for value in values if isinstance(value, SecretStr))
