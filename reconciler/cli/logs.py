"""Set up the logs of a command and of its workers from the settings."""

import sys
from collections.abc import Callable
from functools import partial

from pydantic import SecretStr

from reconciler.settings import Settings
from reconciler.telemetry.logs import configure_logs


def set_up_logs(settings: Settings) -> None:
    """Set up this process's log."""
    configure_logs(settings.log_level, settings.log_format, secrets=secrets_of(settings))


def load_settings() -> Settings:
    """Read the settings, and set up the log, for a command that asks and ends."""
    settings = warnings_only(Settings.load())
    set_up_logs(settings)
    return settings


def set_up_supervisor_logs(settings: Settings, *, is_once: bool) -> None:
    """Set up the log of a supervisor: a person who watches one sweep is told warnings only."""
    set_up_logs(warnings_only(settings) if is_once and sys.stderr.isatty() else settings)


def warnings_only(settings: Settings) -> Settings:
    """Return settings that log warnings only, unless a level was asked for.

    For commands that end by themselves: what they have to say is their result.
    """
    if "log_level" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"log_level": "WARNING"})


def worker_logs_setup(settings: Settings, shard: int) -> Callable[[], None]:
    """Return what sets up the log of a shard's worker; it is sent there and called there."""
    return partial(
        configure_logs,
        settings.log_level,
        settings.log_format,
        secrets=secrets_of(settings),
        context={"shard": shard},
    )


def secrets_of(settings: Settings) -> tuple[SecretStr, ...]:
    """Return every secret among the settings."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return tuple(value for value in values if isinstance(value, SecretStr))
