"""Options: from the command line, else the environment, else `.env`, else the default.

A setting may also be in the configuration file, which comes after `.env`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from pydantic.fields import FieldInfo
from pydantic_settings import DotEnvSettingsSource

from reconciler.settings import Settings

Decorator = Callable[[Any], Any]


class NumberRange(click.FloatRange):
    """Numbers within bounds. Refuses "nan", which click accepts because no bound excludes it."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(
                f"{value!r} is not a number in the range {self._describe_range()}.", param, ctx
            )
        return number


class EnvironmentOption(click.Option):
    """An option of one command: click reads its variable, here also from `.env`."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value; None if it is not set or empty."""
        return super().resolve_envvar_value(ctx) or self.env_file(ctx).get(str(self.envvar)) or None

    def env_file(self, ctx: click.Context) -> Mapping[str, str | None]:  # noqa: ARG002 - for those that ask it
        """Return the variables in `.env`."""
        return DotEnvSettingsSource(Settings, case_sensitive=True).env_vars


class SettingOption(click.Option):
    """An option for a field of `Settings`, with the field's variable, default and bounds.

    click only shows the variable. `Settings` reads it, so that all errors in the environment are
    reported at once.
    """

    def __init__(self, declarations: Sequence[str], *, field: str, **arguments: Any) -> None:
        info = Settings.model_fields[field]
        self._shown_default = str(info.get_default(call_default_factory=True, validated_data={}))
        super().__init__(
            [*declarations, field],
            envvar=info.alias,
            show_envvar=True,
            type=_type_of(info),
            **arguments,
        )

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:  # noqa: ARG002 - click's signature
        """Leave the variable to `Settings`."""
        return None

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Show the default that `Settings` has."""
        extra = super().get_help_extra(ctx)
        extra["default"] = self._shown_default
        return extra


def environment_option(
    *declarations: str, variable: str, help_text: str, **arguments: Any
) -> Decorator:
    """Make an option that is also the environment variable `variable`."""
    return click.option(
        *declarations,
        cls=EnvironmentOption,
        envvar=variable,
        show_envvar=True,
        show_default=True,
        help=help_text,
        **arguments,
    )


def setting_option(flag: str, field: str, help_text: str, *, metavar: str) -> Decorator:
    """Make an option for a field of `Settings`."""
    return click.option(flag, cls=SettingOption, field=field, help=help_text, metavar=metavar)


def _type_of(info: FieldInfo) -> click.IntRange | NumberRange:
    """Return click's type for a number within the field's bounds."""
    bounds = {
        name: getattr(constraint, name)
        for constraint in info.metadata
        for name in ("gt", "ge", "lt", "le")
        if hasattr(constraint, name)
    }
    minimum, maximum = bounds.get("ge"), bounds.get("le")
    if info.annotation is int:
        return click.IntRange(
            minimum if "gt" not in bounds else bounds["gt"] + 1,
            maximum if "lt" not in bounds else bounds["lt"] - 1,
        )
    return NumberRange(
        min=bounds.get("gt", minimum),
        max=bounds.get("lt", maximum),
        min_open="gt" in bounds,
        max_open="lt" in bounds,
    )


shards_option = setting_option("--shards", "shards", "Worker processes on this host.", metavar="N")

once_option = environment_option(
    "--once",
    variable="RECONCILIATION_ONCE",
    help_text="Reconcile everything that is stale, report, and exit.",
    is_flag=True,
)

json_option = environment_option(
    "--json",
    "as_json",
    variable="RECONCILER_JSON",
    help_text="Print exactly one JSON object on standard output.",
    is_flag=True,
)
