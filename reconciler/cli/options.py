"""Options that are settings: the flag here, the same name in the environment read by `Settings`."""

from collections.abc import Callable
from typing import Any

import click

from reconciler.settings import Settings


def setting_option(flag: str, field: str, help_text: str, **arguments: Any) -> Callable[[Any], Any]:
    """Make an option for a field of `Settings`; its help shows the variable and the default.

    click itself does not read the variable: `Settings` does, so that everything that is wrong in
    the environment is reported at once.
    """
    info = Settings.model_fields[field]
    default = info.get_default(call_default_factory=True, validated_data={})
    return click.option(
        flag,
        field,
        default=None,
        help=f"{help_text}  [env: {info.alias}; default: {default}]",
        **arguments,
    )


SHARDS = setting_option("--shards", "shards", "Worker processes.", type=int, metavar="N")

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print exactly one JSON object on standard output."
)
