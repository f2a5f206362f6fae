"""`reconciler audit`: the history of an order, from the activity log."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.audit_replay import ReplayFilter, read_time, replay_changes
from reconciler.cli.database import open_database
from reconciler.cli.exit_codes import Exit
from reconciler.cli.order_id import parse_order_id, read_orders_if_suitable
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import print_json, print_table
from reconciler.domain.order import OrderId
from reconciler.exchanges.registry import venue
from reconciler.store.activity import ACTION, Activity, read_history
from reconciler.store.changes import LoggedChange
from reconciler.store.database import Database
from reconciler.store.row_status import read_row_status
from reconciler.store.user_table import UserTable


@dataclass(frozen=True, kw_only=True)
class OrderHistory:
    """The changes of an order. `status` is None if `orders` has no such row."""

    order_id: str
    status: str | None
    entries: Sequence[Activity]

    @property
    def is_known(self) -> bool:
        """True if there is anything to show."""
        return self.status is not None or bool(self.entries)


@click.command(
    "audit",
    epilog="""\b
Try it:
  reconciler audit 4711
  reconciler audit --replay --since 2026-11-01
  reconciler audit 0b9a6c1e-6d2f-4f8e-9a53-0d5f0c6a7b11 --json""",
)
@click.argument("order_id", required=False)
@environment_option(
    "--replay",
    "is_replay",
    variable="RECONCILER_AUDIT_REPLAY",
    help_text="Decide past changes again, of this order or of all.",
    is_flag=True,
)
@environment_option(
    "--since",
    variable="RECONCILER_AUDIT_SINCE",
    help_text="With --replay: only changes from this time on.",
    metavar="TIME",
    callback=read_time,
)
@environment_option(
    "--until",
    variable="RECONCILER_AUDIT_UNTIL",
    help_text="With --replay: only changes before this time.",
    metavar="TIME",
    callback=read_time,
)
@json_option
def audit_command(
    *,
    order_id: str | None,
    is_replay: bool,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> None:
    """Show what was changed in an order, when, by which rule, and on which answer.

    ORDER_ID is the order's id in the table orders. A deleted order still has its history. Times are
    UTC; "fetched at" is when the exchange was asked.

    With --replay, every past change is decided again from the report that was logged with it,
    without asking the exchange. TIME is a day or a time such as 2026-11-24T08:30:00Z; without a
    zone it is UTC.

    Exits with code 0; 1 if no such order is known, or if a change does not follow from its report.
    """
    _require_consistent_arguments(order_id, since, until, is_replay=is_replay)
    with open_database("audit") as (database, settings):
        if is_replay:
            table = UserTable(settings.orders)
            id_ = None if order_id is None else _parse_id(database, table, order_id)
            replay_filter = ReplayFilter(order_id=id_, since=since, until=until)
            facts = venue(settings.exchange_name, settings.exchange_base_url)
            result = replay_changes(
                database,
                table,
                replay_filter,
                retention=facts.retention,
            )
            result.print(as_json=as_json)
            is_complete = result.is_clean
        else:
            assert order_id is not None  # noqa: S101 - checked above
            history = _read(database, UserTable(settings.orders), order_id)
            show = _print_json if as_json else _print
            show(history)
            is_complete = history.is_known
    sys.exit(Exit.OK if is_complete else Exit.INCOMPLETE)


def _require_consistent_arguments(
    order_id: str | None, since: datetime | None, until: datetime | None, *, is_replay: bool
) -> None:
    """Check that the arguments fit together.

    Raises:
        click.UsageError: they do not.
    """
    if order_id is None and not is_replay:
        raise click.UsageError("Missing argument 'ORDER_ID': name an order, or give --replay.")
    if not is_replay and (since or until):
        raise click.UsageError("--since and --until go with --replay.")
    if since and until and since >= until:
        raise click.UsageError("--since must be earlier than --until.")


def _parse_id(database: Database, table: UserTable, text: str) -> OrderId:
    with database.autocommit() as connection:
        return parse_order_id(text, read_orders_if_suitable(connection, table))


def _read(database: Database, table: UserTable, text: str) -> OrderHistory:
    with database.autocommit() as connection:
        orders = read_orders_if_suitable(connection, table)
        order_id = parse_order_id(text, orders)
        entries = read_history(connection, str(order_id))
        status = None if orders is None else read_row_status(connection, orders, order_id)
    return OrderHistory(order_id=str(order_id), status=status, entries=entries)


def _print(history: OrderHistory) -> None:
    if not history.is_known:
        print_unknown(history.order_id)
        return
    now = "is no longer in orders" if history.status is None else f"is now {history.status}"
    if not history.entries:
        click.echo(f"order {history.order_id} {now}; the reconciler has never changed it")
        return
    print_changes(history.entries, title=f"Order {history.order_id}, which {now}")


def _print_json(history: OrderHistory) -> None:
    print_json({**asdict(history), "entries": [asdict(entry) for entry in history.entries]})


def print_unknown(order_id: str) -> None:
    """Print that no such order is known."""
    click.echo(
        f"order {order_id} is not known: it is neither in the activity log nor in orders", err=True
    )


def print_changes(entries: Sequence[Activity], *, title: str) -> None:
    """Print a table of an order's entries."""
    columns = ["when (UTC)", "change", "rule", "exchange\nfetched at"]
    print_table(columns, [entry_cells(entry) for entry in entries], title=title)


def entry_cells(entry: Activity) -> tuple[str, str, str, str]:
    """Return an entry's cells. An entry that the application wrote itself has only its name."""
    when = _in_two_lines(entry.created_at)
    if entry.action != ACTION:
        return (when, entry.action, "", "")
    details = entry.details
    fetched_at = datetime.fromisoformat(details["fetched_at"])
    return (
        when,
        "\n".join(change_lines(LoggedChange.of(entry))),
        details["rule"],
        f"{_asked(details)}\n{_time(fetched_at)}",
    )


def _asked(details: Mapping[str, Any]) -> str:
    """Return the exchange, and the program that asked it if it has a scope."""
    exchange, scope = details["exchange"], details.get("scope")
    return f"{exchange} ({scope})" if scope else str(exchange)


def change_lines(change: LoggedChange) -> Iterator[str]:
    """Return what a change has changed: `new -> filled`, `executed 0 -> 1.5`."""
    for one in change.differences:
        name = "" if one.name == "status" else f"{one.name} "
        yield f"{name}{one.before} -> {one.after}"


def _in_two_lines(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}\n{_time(moment)}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).time().isoformat(timespec="milliseconds")
