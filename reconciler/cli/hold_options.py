"""The options by which a person says which holds are meant."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from reconciler.cli.audit import read_order_id
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.domain.decide import HoldReason
from reconciler.domain.order import OrderId
from reconciler.store.bulk_holds import HoldFilter

reason_option = environment_option(
    "--reason",
    variable="RECONCILER_HOLDS_REASON",
    help_text="Only those for this reason.",
    type=click.Choice([reason.value for reason in HoldReason]),
)
symbol_option = environment_option(
    "--symbol",
    variable="RECONCILER_HOLDS_SYMBOL",
    help_text="Only those of this symbol, as the row has it.",
    metavar="NAME",
)
_account_option = environment_option(
    "--account",
    variable="RECONCILER_HOLDS_ACCOUNT",
    help_text="Only those of this account. Reserved: here all orders are of one account.",
    metavar="ID",
)
_all_option = environment_option(
    "--all",
    "is_all",
    variable="RECONCILER_HOLDS_EVERY",
    help_text="All that are on hold, or all that the other options name.",
    is_flag=True,
)
_yes_option = environment_option(
    "--yes",
    "is_confirmed",
    variable="RECONCILER_HOLDS_YES",
    help_text="Do it without being asked whether that many are meant.",
    is_flag=True,
)


@dataclass(frozen=True, kw_only=True)
class HoldSelection:
    """What a person named: orders, or a choice of holds."""

    order_ids: tuple[OrderId, ...]
    choice: HoldFilter | None
    is_confirmed: bool


def hold_options(command: Callable[..., None]) -> Any:
    """Let a command take order ids, or options that choose holds; it gets them as `selection`."""

    @click.argument("order_ids", metavar="[ORDER_ID]...", nargs=-1, callback=_read_order_ids)
    @reason_option
    @symbol_option
    @_account_option
    @_all_option
    @_yes_option
    @json_option
    @functools.wraps(command)
    def with_options(
        *,
        order_ids: tuple[OrderId, ...],
        reason: str | None,
        symbol: str | None,
        account: str | None,
        is_all: bool,
        is_confirmed: bool,
        **others: Any,
    ) -> None:
        given = {"--reason": reason, "--symbol": symbol, "--account": account, "--all": is_all}
        command(selection=_selection(order_ids, given, is_confirmed=is_confirmed), **others)

    return with_options


def _read_order_ids(
    ctx: click.Context, parameter: click.Parameter, texts: Sequence[str]
) -> tuple[OrderId, ...]:
    return tuple(_each(ctx, parameter, dict.fromkeys(texts)))


def _each(
    ctx: click.Context, parameter: click.Parameter, texts: Mapping[str, None]
) -> Iterator[OrderId]:
    for text in texts:
        order_id = read_order_id(ctx, parameter, text)
        if order_id is not None:
            yield order_id


def _selection(
    order_ids: tuple[OrderId, ...], given: Mapping[str, str | bool | None], *, is_confirmed: bool
) -> HoldSelection:
    """Return what is meant.

    Raises:
        click.UsageError: nothing is named, or both orders and a choice.
    """
    if order_ids:
        # The environment may choose for every command; who names orders means these.
        if flags := [flag for flag in given if given[flag] and _is_on_command_line(flag)]:
            raise click.UsageError(
                f"Name orders, or choose holds with {' and '.join(flags)}, not both."
            )
        return HoldSelection(order_ids=order_ids, choice=None, is_confirmed=is_confirmed)
    if given["--account"]:
        raise click.UsageError(
            "--account chooses nothing: this version has no column for an account, all orders"
            " are of the one that 'reconciler account show' names. Leave it out."
        )
    if not any(given.values()):
        raise click.UsageError(
            "Missing argument 'ORDER_ID': name orders, or choose holds with --reason, --symbol"
            " or --all."
        )
    reason, symbol = given["--reason"], given["--symbol"]
    choice = HoldFilter(
        reason=HoldReason(reason) if isinstance(reason, str) else None,
        symbol=symbol if isinstance(symbol, str) else None,
    )
    return HoldSelection(order_ids=(), choice=choice, is_confirmed=is_confirmed)


def _is_on_command_line(flag: str) -> bool:
    name = {"--all": "is_all"}.get(flag, flag.removeprefix("--"))
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE
