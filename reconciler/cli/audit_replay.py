"""`reconciler audit --replay`: check that every past change still follows from its report."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import click

from reconciler.cli.ui.output import print_json, print_table
from reconciler.cli.ui.progress import show_activity
from reconciler.domain.decide import Policy
from reconciler.domain.order import OrderId
from reconciler.domain.retention import Retention
from reconciler.store.database import Database
from reconciler.store.orders_table import read_orders_table
from reconciler.store.replay import ReplayedChange, replay
from reconciler.store.user_table import UserTable


@dataclass(frozen=True, kw_only=True)
class ReplayFilter:
    """The changes to decide again: those logged from `since` to before `until`."""

    order_id: OrderId | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """The result of a replay. `by_person` follow from no report and are not decided again."""

    changes: int
    follow: int
    by_person: int
    differ: tuple[ReplayedChange, ...]

    @classmethod
    def of(cls, replayed: Iterable[ReplayedChange]) -> "ReplayResult":
        """Count the changes, and keep those that differ."""
        changes, by_person, differ = 0, 0, list[ReplayedChange]()
        for change in replayed:
            changes += 1
            by_person += change.is_by_person
            if change.difference is not None:
                differ.append(change)
        return cls(
            changes=changes,
            follow=changes - by_person - len(differ),
            by_person=by_person,
            differ=tuple(differ),
        )

    @property
    def is_clean(self) -> bool:
        """True if every change follows from its report, or was made by a person."""
        return not self.differ

    def print(self, *, as_json: bool) -> None:
        """Print it."""
        if as_json:
            print_json(asdict(self))
            return
        click.echo(
            f"{self.changes:,} changes: {self.follow:,} follow from their reports,"
            f" {self.by_person:,} were made by a person, {len(self.differ):,} do not follow"
        )
        if self.differ:
            rows = [(str(one.activity_id), one.order_id, one.difference) for one in self.differ]
            print_table(["entry", "order", "difference"], rows)


def replay_changes(
    database: Database,
    table: UserTable,
    replay_filter: ReplayFilter,
    *,
    retention: Retention,
) -> ReplayResult:
    """Decide the selected changes again, offline, and show progress.

    `retention` is how long the exchange remembers ended orders. The decisions depend on the scales
    of the columns of `orders`.

    Raises:
        SchemaMismatch: `orders` is not suitable.
    """
    with show_activity("deciding again"), database.autocommit() as connection:
        orders = read_orders_table(connection, table)
        policy = Policy(
            quantity_scale=orders.quantity_scale,
            price_scale=orders.price_scale,
            ordered_scale=orders.ordered_scale,
            compared=frozenset(),  # What contradicted its row was not changed then.
            retention=retention,
        )
        return ReplayResult.of(
            replay(
                connection,
                policy,
                scope=table.scope,
                order_id=None if replay_filter.order_id is None else str(replay_filter.order_id),
                since=replay_filter.since,
                until=replay_filter.until,
            )
        )


def read_time(
    _ctx: click.Context, _parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Read a day or a time in ISO 8601; without a zone it is UTC.

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a time: write it as 2026-11-24 or 2026-11-24T08:30:00Z."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
