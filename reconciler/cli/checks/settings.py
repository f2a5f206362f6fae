"""Do the settings fit? Where one does not, the others are still good for further checks."""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource

from reconciler.cli.checks.finding import Finding, failed, good, warning
from reconciler.errors import ConfigurationError, Problem
from reconciler.settings import Settings

CHECK = "settings"

_PREFIX = "RECONCILIATION_"
_KNOWN = frozenset(
    {str(field.alias) for field in Settings.model_fields.values()}
    | {f"{_PREFIX}ONCE", f"{_PREFIX}DRY_RUN"}
)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The settings, with the default in place of each that does not fit: those are `broken`."""

    settings: Settings
    broken: frozenset[str]
    finding: Finding

    def is_broken(self, prefix: str) -> bool:
        """Whether a setting whose name begins so does not fit."""
        return any(name.startswith(prefix) for name in self.broken)


def check_settings() -> Checked:
    """Read the settings, whatever is wrong with them."""
    try:
        settings = Settings.load()
    except ConfigurationError as error:
        broken = _broken_names()
        return Checked(
            settings=Settings.model_validate(_defaults(broken)),
            broken=broken,
            finding=failed(CHECK, error),
        )
    names = {*os.environ, *DotEnvSettingsSource(Settings, case_sensitive=True).env_vars}
    strangers = unknown_names(names)
    finding = (
        warning(CHECK, "a name that nobody reads", strangers)
        if strangers
        else good(CHECK, "every value fits")
    )
    return Checked(settings=settings, broken=frozenset(), finding=finding)


def unknown_names(names: Iterable[str]) -> list[Problem]:
    """Name the variables that look like ours but are none: most likely misspelled."""
    return [
        Problem(what=f"{name} is set, but there is no such setting", hint=_suggestion(name))
        for name in sorted(names)
        if name.startswith(_PREFIX) and name not in _KNOWN
    ]


def _suggestion(name: str) -> str:
    # Without the prefix, which makes any two of them look alike.
    endings = {known.removeprefix(_PREFIX): known for known in _KNOWN}
    alike = get_close_matches(name.removeprefix(_PREFIX), endings, n=1)
    return f"rename it to {endings[alike[0]]}, or unset it" if alike else "unset it"


def _broken_names() -> frozenset[str]:
    try:
        Settings.model_validate({})
    except ValidationError as error:
        return frozenset(str(entry["loc"][0]) for entry in error.errors())
    return frozenset()


def _defaults(names: Collection[str]) -> dict[str, object]:
    return {
        str(field.alias): field.get_default(call_default_factory=True, validated_data={})
        for field in Settings.model_fields.values()
        if field.alias in names
    }
