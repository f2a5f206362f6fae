"""The name of the person who decides, for the commands that record it."""

import click

from reconciler.cli.ui.options import environment_option

by_option = environment_option(
    "--by",
    variable="RECONCILER_OPERATOR",
    help_text="Your name, for the audit trail.",
    metavar="NAME",
)


class OperatorRequired(click.ClickException):
    """A decision needs the name of the person who makes it."""


def required_operator(by: str | None) -> str:
    """Return the operator's name.

    Raises:
        OperatorRequired: none is given.
    """
    if by is None or not by.strip():
        raise OperatorRequired("a decision needs a name: give yours with --by")
    return by.strip()
