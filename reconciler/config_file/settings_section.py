"""The section `[settings]`: any setting by its name in small letters, without the prefix."""

from collections.abc import Collection, Mapping
from typing import Any

from reconciler.config_file.document import Findings, shown

SECTION = "settings"
PREFIX = "RECONCILIATION_"


def key_of(variable: str) -> str:
    """Return a setting's key in this section: `interval_ms` for `RECONCILIATION_INTERVAL_MS`."""
    return variable.removeprefix(PREFIX).lower()


def read_settings(
    findings: Findings, *, variables: Collection[str], secrets: Collection[str], own_variable: str
) -> Mapping[str, Any]:
    """Return the values that the section has, by variable. An empty text counts as not set.

    Bounds are not checked here: `Settings` does so for all sources. No value of an unknown or a
    secret setting is ever part of a problem.

    Args:
        findings: Gets the problems.
        variables: The variables of all settings.
        secrets: Those that are secret.
        own_variable: The one that names this file.
    """
    section = findings.document.values.get(SECTION, {})
    if not isinstance(section, dict):
        findings.add((SECTION,), f"is {shown(section)}", f"write it as a table: [{SECTION}]")
        return {}
    by_key = {key_of(variable): variable for variable in variables}
    known = sorted(
        key
        for key, variable in by_key.items()
        if variable not in secrets and variable != own_variable
    )
    values: dict[str, Any] = {}
    for key, value in section.items():
        path = (SECTION, key)
        meant = by_key.get(key_of(key.upper().replace("-", "_")))
        if meant in secrets:
            findings.add(path, "is a secret, which this file may not have", _secret_hint(meant))
        elif meant == own_variable:
            findings.add(
                path,
                "is in the file that it would name",
                f"set {own_variable} in the environment or in .env",
            )
        elif key not in by_key:
            nearest = None if meant is None else key_of(meant)
            findings.add_unknown(path, known, kind="setting", nearest=nearest)
        elif isinstance(value, bool) or not isinstance(value, str | int | float):
            findings.add(
                path,
                f"is {shown(value)}, but a setting is a number or a text",
                f'write it as {key} = "...", or remove it for the default',
            )
        elif value != "":
            values[by_key[key]] = value
    return values


def _secret_hint(variable: str | None) -> str:
    return (
        f"set {variable} in the environment or in .env (mode 600), and remove it here; if this"
        " file was readable by others, replace the secret"
    )
