"""The options that select holds: order ids, a reason, a symbol, or all."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from reconciler.cli.ui.options import environment_option, json_option
from reconciler.domain.decide import HoldReason
from reconciler.store.bulk_holds import HoldFilter

reason_option = environment_option(
    "--reason",
    variable="RECONCILER_HOLDS_REASON",
    help_text="Only holds for this reason.",
    type=click.Choice([reason.value for reason in HoldReason]),
)
symbol_option = environment_option(
    "--symbol",
    variable="RECONCILER_HOLDS_SYMBOL",
    help_text="Only holds of this symbol, as the row spells it.",
    metavar="NAME",
)
_account_option = environment_option(
    "--account",
    variable="RECONCILER_HOLDS_ACCOUNT",
    help_text="Reserved: all orders of a program belong to one account.",
    metavar="ID",
)
_all_option = environment_option(
    "--all",
    "is_all",
    variable="RECONCILER_HOLDS_EVERY",
    help_text="All holds; with --reason or --symbol, all that these choose.",
    is_flag=True,
)
_yes_option = environment_option(
    "--yes",
    "is_confirmed",
    variable="RECONCILER_HOLDS_YES",
    help_text="Do not ask for confirmation.",
    is_flag=True,
)


@dataclass(frozen=True, kw_only=True)
class HoldSelection:
    """The holds that a person selected: by order id, or by a filter."""

    order_ids: tuple[str, ...]
    hold_filter: HoldFilter | None
    is_confirmed: bool


def hold_options(command: Callable[..., None]) -> Any:
    """Add the order ids and the options that select holds; a command gets them as `selection`."""

    @click.argument("order_ids", metavar="[ORDER_ID]...", nargs=-1)
    @reason_option
    @symbol_option
    @_account_option
    @_all_option
    @_yes_option
    @json_option
    @functools.wraps(command)
    def with_options(
        *,
        order_ids: tuple[str, ...],
        reason: str | None,
        symbol: str | None,
        account: str | None,
        is_all: bool,
        is_confirmed: bool,
        **others: Any,
    ) -> None:
        given = {"--reason": reason, "--symbol": symbol, "--account": account, "--all": is_all}
        unique_ids = tuple(dict.fromkeys(order_ids))
        command(selection=_selection(unique_ids, given, is_confirmed=is_confirmed), **others)

    return with_options


def _selection(
    order_ids: tuple[str, ...], given: Mapping[str, str | bool | None], *, is_confirmed: bool
) -> HoldSelection:
    """Return the selection.

    Raises:
        click.UsageError: nothing is selected, or both orders and a filter.
    """
    if order_ids:
        # A filter in the environment does not count for a command that names orders.
        if flags := [flag for flag in given if given[flag] and _is_on_command_line(flag)]:
            raise click.UsageError(
                f"Name orders, or choose holds with {' and '.join(flags)}, not both."
            )
        return HoldSelection(order_ids=order_ids, hold_filter=None, is_confirmed=is_confirmed)
    if given["--account"]:
        raise click.UsageError(
            "--account chooses nothing: all orders of this program belong to the account that"
            " 'reconciler account show' names. Leave it out."
        )
    if not any(given.values()):
        raise click.UsageError(
            "Missing argument 'ORDER_ID': name orders, or choose holds with --reason, --symbol"
            " or --all."
        )
    reason, symbol = given["--reason"], given["--symbol"]
    hold_filter = HoldFilter(
        reason=HoldReason(reason) if isinstance(reason, str) else None,
        symbol=symbol if isinstance(symbol, str) else None,
    )
    return HoldSelection(order_ids=(), hold_filter=hold_filter, is_confirmed=is_confirmed)


def _is_on_command_line(flag: str) -> bool:
    name = {"--all": "is_all"}.get(flag, flag.removeprefix("--"))
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE
