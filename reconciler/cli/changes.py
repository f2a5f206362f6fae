"""`reconciler changes`: what was changed lately, across all orders."""

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import click
import msgspec

from reconciler.cli.audit import change_lines
from reconciler.cli.audit_replay import read_time
from reconciler.cli.database import open_database
from reconciler.cli.exit_codes import Exit
from reconciler.cli.interrupts import interrupt_on_signals
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import console, print_json, print_table
from reconciler.errors import StoreUnavailable
from reconciler.formatting import moment, printable
from reconciler.scope import Scope
from reconciler.store.change_feed import ChangeFeed
from reconciler.store.changes import RULES, ChangeFilter, LoggedChange, read_changes
from reconciler.store.database import Database

DEFAULT_LIMIT = 50
MAX_LIMIT = 100_000
POLL_SECONDS = 1.0

_AGE = re.compile(r"([0-9]{1,6}) ?(s|min|h|d)")
_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def read_since(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """Read a time, or an age such as `30min`, `2h`, `1d`.

    Raises:
        click.BadParameter: it is neither.
    """
    age = None if text is None else _AGE.fullmatch(text.strip())
    if age is None:
        return read_time(ctx, parameter, text)
    return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})


@click.command(
    "changes",
    epilog="""\b
Try it:
  reconciler changes
  reconciler changes --follow
  reconciler changes --symbol BTCUSDT --status filled --since 2h
  reconciler changes --since 1d --limit 100000 --json""",
)
@environment_option(
    "--follow",
    "is_followed",
    variable="RECONCILER_CHANGES_FOLLOW",
    help_text="Go on and print each change as it is made, until Ctrl-C.",
    is_flag=True,
)
@environment_option(
    "--symbol",
    variable="RECONCILER_CHANGES_SYMBOL",
    help_text="Only changes of this symbol, as the exchange spells it.",
    metavar="NAME",
)
@environment_option(
    "--status",
    variable="RECONCILER_CHANGES_STATUS",
    help_text="Only changes to this status, in your word or in ours.",
    metavar="STATUS",
)
@environment_option(
    "--from-status",
    "status_before",
    variable="RECONCILER_CHANGES_FROM_STATUS",
    help_text="Only changes from this status, in your word or in ours.",
    metavar="STATUS",
)
@environment_option(
    "--rule",
    variable="RECONCILER_CHANGES_RULE",
    help_text="Only changes by this rule.",
    type=click.Choice([rule.value for rule in RULES]),
)
@environment_option(
    "--since",
    variable="RECONCILER_CHANGES_SINCE",
    help_text="Only changes from this time on, or of this age: 30min, 2h, 1d.",
    metavar="TIME",
    callback=read_since,
)
@environment_option(
    "--limit",
    variable="RECONCILER_CHANGES_LIMIT",
    help_text="Number of changes; with --follow, of those before it begins.",
    default=DEFAULT_LIMIT,
    type=click.IntRange(0, MAX_LIMIT),
    metavar="N",
)
@json_option
def changes_command(
    *,
    is_followed: bool,
    symbol: str | None,
    status: str | None,
    status_before: str | None,
    rule: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List what was changed lately across all orders, the newest first.

    With --follow, the latest come in the order of time, and each new change follows as soon as its
    transaction has ended. With --follow and --json, each line is one JSON object. Ctrl-C ends it,
    with code 0. TIME is a day or a time such as 2026-11-24T08:30:00Z; without a zone it is UTC.
    """
    change_filter = ChangeFilter(
        symbol=symbol, status_before=status_before, status=status, rule=rule, since=since
    )
    with open_database("changes") as (database, settings):
        if not is_followed:
            changes = _read_latest(database, settings.scope, change_filter, limit)
            show = _print_json if as_json else _print
            show(changes, change_filter)
            return
        print_one = _print_json_line if as_json else _print_line
        with interrupt_on_signals():
            try:
                _follow(database, settings.scope, change_filter, limit, print_one)
            except KeyboardInterrupt:
                sys.exit(Exit.OK)


def _read_latest(
    database: Database, scope: Scope, change_filter: ChangeFilter, limit: int
) -> Sequence[LoggedChange]:
    """Read up to `limit` changes, the newest first, as far back as it takes."""
    found: list[LoggedChange] = []
    position = None
    with database.autocommit() as connection:
        while len(found) < limit:
            page = read_changes(
                connection, scope, change_filter, before=position, limit=limit - len(found)
            )
            found += page.changes
            position = page.next_before
            if position is None:
                break
    return found


def _follow(
    database: Database,
    scope: Scope,
    change_filter: ChangeFilter,
    limit: int,
    print_one: Callable[[LoggedChange], None],
) -> None:
    """Print the latest changes, then each new one, for ever; wait for a database that is away.

    Raises:
        StoreUnavailable: the database does not answer at the start.
    """
    with database.autocommit() as connection:
        feed = ChangeFeed(connection, scope, change_filter)
    latest = _read_latest(database, scope, change_filter, limit)
    feed.mark_seen(latest)
    for change in reversed(latest):
        print_one(change)
    if not latest:
        click.echo(f"{_nothing(change_filter)} yet; waiting for one ...", err=True)
    is_away = False
    while True:
        time.sleep(POLL_SECONDS)
        try:
            with database.autocommit() as connection:
                fresh = feed.poll(connection)
        except StoreUnavailable as error:
            if not is_away:
                click.echo(f"{error}; waiting until it does ...", err=True)
            is_away = True
            continue
        if is_away:
            click.echo("the database answers again", err=True)
        is_away = False
        for change in fresh:
            print_one(change)


def _print(changes: Sequence[LoggedChange], change_filter: ChangeFilter) -> None:
    if not changes:
        click.echo(_nothing(change_filter))
        return
    columns = ["when (UTC)", "order", "symbol", "change", "rule", "by"]
    separator = "\n" if console().is_terminal else ", "
    print_table(columns, [_cells(change, separator) for change in changes])


def _cells(change: LoggedChange, separator: str) -> tuple[object, ...]:
    return (
        moment(change.created_at),
        printable(change.order_id),
        _optional(change.symbol),
        separator.join(map(printable, change_lines(change))),
        change.rule,
        _optional(change.by),
    )


def _print_line(change: LoggedChange) -> None:
    click.echo("  ".join(_line_parts(change)))


def _line_parts(change: LoggedChange) -> Iterator[str]:
    yield moment(change.created_at)
    yield printable(change.order_id)
    yield printable(change.symbol or "-")
    yield printable(", ".join(change_lines(change)))
    yield change.rule or "-"
    if change.by is not None:
        yield f"by {printable(change.by)}"


def _print_json(changes: Sequence[LoggedChange], _: ChangeFilter) -> None:
    print_json({"changes": [change.for_json() for change in changes]})


def _print_json_line(change: LoggedChange) -> None:
    click.echo(msgspec.json.encode(change.for_json()).decode())


def _nothing(change_filter: ChangeFilter) -> str:
    return "nothing was changed" if change_filter.is_empty else "no change matches that"


def _optional(text: str | None) -> str | None:
    return None if text is None else printable(text)
