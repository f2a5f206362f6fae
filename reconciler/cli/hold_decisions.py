"""Accept and dismiss holds: by their orders, or those that were chosen, however many they are."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.ui.formatting import moment
from reconciler.cli.ui.output import print_json, print_problems
from reconciler.cli.ui.progress import CountProgress
from reconciler.domain.order import Facts, OrderId
from reconciler.domain.status import Status
from reconciler.errors import Problem, StoreRejected
from reconciler.store.bulk_holds import (
    HoldCount,
    HoldFilter,
    count_holds,
    dismiss_hold_page,
    read_hold_page,
)
from reconciler.store.database import Database
from reconciler.store.hold_acceptance import (
    Acceptance,
    AcceptanceWriter,
    NotAcceptable,
    accept,
    accept_all,
    decide_acceptance,
)
from reconciler.store.holds import HeldOrder, dismiss_hold, read_hold
from reconciler.store.tables import OrdersTable, find_orders

MOST_REFUSALS_SHOWN = 20
DISMISSED_AT_ONCE = 5000
ACCEPTED_AT_ONCE = 200
"""Rows of orders that are locked at once; about as long as a worker's batch."""


class NoSuchHold(click.ClickException):
    """There is no hold to act on."""


class NotConfirmed(click.ClickException):
    """Nobody can be asked whether that many holds are meant."""

    exit_code = Exit.USAGE

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self._problem = problem

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print what is wrong and how to fix it."""
        print_problems([self._problem], label="error: ", stderr=True)


@dataclass(kw_only=True)
class Decided:
    """What became of the holds that were meant.

    Attributes:
        verb: What is done with a hold: `dismissed` or `accepted`.
        by: Who decided.
        matched: How many were meant.
        done: Of how many it was done.
        refused: Of how many it could not be; `refusals` are the first of them, with why not.
    """

    verb: str
    by: str
    matched: int
    done: int = 0
    refused: int = 0
    refusals: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, order_id: object, why: str) -> None:
        """Record that it could not be done."""
        self.refused += 1
        if len(self.refusals) < MOST_REFUSALS_SHOWN:
            self.refusals.append({"order_id": str(order_id), "why": why})

    def tell(self, *, as_json: bool) -> None:
        """Print what became of them, and end with code 1 if some were refused."""
        if as_json:
            print_json(
                {
                    "matched": self.matched,
                    self.verb: self.done,
                    "refused": self.refused,
                    "refusals": self.refusals,
                    "by": self.by,
                }
            )
        elif not self.matched:
            click.echo("no order on hold is meant by that: nothing was done")
        else:
            for refusal in self.refusals:
                click.echo(refusal["why"], err=True)
            if self.refused > len(self.refusals):
                click.echo(f"... and {self.refused - len(self.refusals):,} more", err=True)
            of_all = f" of {self.matched:,}" if self.done != self.matched else ""
            were = "hold was" if self.matched == 1 else "holds were"
            click.echo(f"{self.done:,}{of_all} {were} {self.verb} by {self.by}")
        if self.refused:
            sys.exit(Exit.INCOMPLETE)


def confirm(count: HoldCount, verb: str, *, is_sure: bool) -> None:
    """Show how many are meant, and ask whether they are.

    Raises:
        NotConfirmed: there is no terminal to ask on.
        click.Abort: the answer is no.
    """
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in count.by_reason.items())
    click.echo(f"{count.total:,} holds: {reasons}", err=True)
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(
            Problem(
                what=f"{count.total:,} holds would be {verb}, and there is no terminal to ask on"
                " whether they are meant: nothing was done",
                hint="look at them with: reconciler holds list; then add --yes",
            )
        )
    click.confirm(f"shall they be {verb}?", abort=True, err=True)


def no_such_hold(order_id: OrderId) -> NoSuchHold:
    """Return the error that an order was never on hold."""
    return NoSuchHold(f"order {order_id} has never been on hold: see reconciler holds list")


@dataclass(frozen=True, kw_only=True)
class Acceptances:
    """Accepts holds for a person."""

    database: Database
    orders: OrdersTable
    exchange: str
    status: Status | None
    by: str

    @classmethod
    def of(
        cls, database: Database, *, exchange: str, status: Status | None, by: str
    ) -> "Acceptances":
        """Prepare for the shape of `orders`."""
        with database.autocommit() as connection:
            orders = find_orders(connection)
        return cls(database=database, orders=orders, exchange=exchange, status=status, by=by)

    def accept(self, order_id: OrderId) -> Facts:
        """Accept an order's hold; return what the row says now.

        Raises:
            NoSuchHold: it is not on hold.
            NotAcceptable: its hold cannot be accepted; nothing was written.
        """
        with self.database.transaction() as connection:
            hold = _active(read_hold(connection, str(order_id)), order_id)
            acceptance = decide_acceptance(hold, self.status, self.orders, now=datetime.now(UTC))
            accept(
                connection,
                self.orders,
                hold,
                order_id,
                acceptance,
                exchange=self.exchange,
                by=self.by,
            )
        return acceptance.to

    def accept_each(self, order_ids: Sequence[OrderId]) -> Decided:
        """Accept the holds of some orders."""
        decided = Decided(verb="accepted", by=self.by, matched=len(order_ids))
        _decide_each(order_ids, self.accept, decided)
        return decided

    def accept_chosen(self, choice: HoldFilter, *, is_sure: bool) -> Decided:
        """Accept all that are chosen, once the person is sure."""
        count = _counted(self.database, self.orders, choice)
        decided = Decided(verb="accepted", by=self.by, matched=count.total)
        if not count.total:
            return decided
        confirm(count, decided.verb, is_sure=is_sure)
        acceptor = AcceptanceWriter(self.orders, exchange=self.exchange, by=self.by)
        after: int | None = 0
        with CountProgress("accepting holds", count.total) as progress:
            while after is not None:
                with self.database.autocommit() as connection:
                    page = read_hold_page(
                        connection,
                        self.orders,
                        choice,
                        after=after,
                        last_id=count.last_id,
                        limit=ACCEPTED_AT_ONCE,
                    )
                self._accept_page(acceptor, page.holds, decided)
                progress.update(decided.done + decided.refused)
                after = page.next_after
        return decided

    def _accept_page(
        self, acceptor: AcceptanceWriter, held: Iterable[HeldOrder], decided: Decided
    ) -> None:
        wanted: dict[OrderId, tuple[HeldOrder, Acceptance]] = {}
        now = datetime.now(UTC)
        for hold in held:
            try:
                acceptance = decide_acceptance(hold, self.status, self.orders, now=now)
                wanted[self.orders.id_of(hold.order_id)] = (hold, acceptance)
            except NotAcceptable as error:
                decided.refuse(hold.order_id, str(error))
            except ValueError:
                decided.refuse(
                    hold.order_id, f"order {hold.order_id}: orders has no ids of this kind"
                )
        for order_id, why_not in accept_all(self.database, acceptor, wanted).items():
            if why_not is None:
                decided.done += 1
            else:
                decided.refuse(order_id, why_not)


@dataclass(frozen=True, kw_only=True)
class Dismissals:
    """Dismisses holds for a person."""

    database: Database
    by: str

    def dismiss(self, order_id: OrderId) -> None:
        """Dismiss an order's hold.

        Raises:
            NoSuchHold: it is not on hold.
        """
        with self.database.transaction() as connection:
            _active(read_hold(connection, str(order_id)), order_id)
            dismiss_hold(connection, str(order_id), by=self.by)

    def dismiss_each(self, order_ids: Sequence[OrderId]) -> Decided:
        """Dismiss the holds of some orders."""
        decided = Decided(verb="dismissed", by=self.by, matched=len(order_ids))
        _decide_each(order_ids, self.dismiss, decided)
        return decided

    def dismiss_chosen(self, choice: HoldFilter, *, is_sure: bool) -> Decided:
        """Dismiss all that are chosen, once the person is sure."""
        with self.database.autocommit() as connection:
            orders = find_orders(connection)
        count = _counted(self.database, orders, choice)
        decided = Decided(verb="dismissed", by=self.by, matched=count.total)
        if not count.total:
            return decided
        confirm(count, decided.verb, is_sure=is_sure)
        after: int | None = 0
        with CountProgress("dismissing holds", count.total) as progress:
            while after is not None:
                with self.database.transaction() as connection:
                    ended, after = dismiss_hold_page(
                        connection,
                        orders,
                        choice,
                        after=after,
                        last_id=count.last_id,
                        limit=DISMISSED_AT_ONCE,
                        by=self.by,
                    )
                decided.done += ended
                progress.update(decided.done)
        return decided


def _decide_each(
    order_ids: Iterable[OrderId], decide: Callable[[OrderId], object], decided: Decided
) -> None:
    for order_id in order_ids:
        try:
            decide(order_id)
        except NoSuchHold as error:
            decided.refuse(order_id, error.format_message())
        except (NotAcceptable, StoreRejected) as error:
            decided.refuse(order_id, str(error))
        else:
            decided.done += 1


def _counted(database: Database, orders: OrdersTable, choice: HoldFilter) -> HoldCount:
    with database.autocommit() as connection:
        return count_holds(connection, orders, choice)


def _active(hold: HeldOrder | None, order_id: OrderId) -> HeldOrder:
    if hold is None:
        raise no_such_hold(order_id)
    if hold.resolved_at is not None:
        raise NoSuchHold(
            f"order {order_id} is no longer on hold: {hold.resolution}"
            f" at {moment(hold.resolved_at)}"
        )
    return hold
