"""The configuration file, `reconciler.toml`: read and judged without a database.

Every problem is found at once, each with the line of its key and a hint. What the file means is
documented in docs/reference/configuration-file.md.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.errors import ConfigurationError, Problem

if TYPE_CHECKING:  # Loaded only where there is a file: every command would wait for it.
    from reconciler.config_file.orders import OrdersConfig


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """What a configuration file says; empty if there is none.

    Attributes:
        orders: The user's table; None if the file has none, or says of it what cannot be.
        settings: The values in `[settings]`, by the variable of the setting.
        keys: What the file calls each of these settings: `interval_ms`.
        places: Where each of them stands, for a person: `reconciler.toml, line 3`.
        problems: Everything that is wrong in the file, in the order of its lines.
    """

    orders: "OrdersConfig | None" = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Problem] = ()


def read_config_file(
    file: Path, *, variables: Collection[str], secrets: Collection[str], own_variable: str
) -> ConfigFile:
    """Read the file and find all its problems.

    Args:
        file: Where it is.
        variables: The environment's names of all settings.
        secrets: Those of them that are secret: the file may not have them.
        own_variable: The one that names this file.
    """
    from reconciler.config_file.document import read_document  # noqa: PLC0415 - as above
    from reconciler.config_file.sections import read_sections  # noqa: PLC0415 - as above

    try:
        document = read_document(file)
    except ConfigurationError as error:
        return ConfigFile(problems=error.problems)
    return read_sections(document, variables=variables, secrets=secrets, own_variable=own_variable)
