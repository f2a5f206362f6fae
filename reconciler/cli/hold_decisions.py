"""Accept and dismiss holds: of named orders, or, page by page, all that match a filter."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.order_id import parse_order_id, read_orders_if_suitable
from reconciler.cli.ui.output import print_json, print_problems
from reconciler.cli.ui.progress import CountProgress
from reconciler.domain.order import OrderId, describe_facts
from reconciler.domain.status import Status
from reconciler.errors import Problem, StoreRejected
from reconciler.formatting import moment
from reconciler.scope import Scope
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
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.user_table import UserTable

MAX_REFUSALS_SHOWN = 20
DISMISS_PAGE_ROWS = 5000
ACCEPT_PAGE_ROWS = 200
"""Rows of `orders` that are locked at once; about as many as in a worker's batch."""


class NoSuchHold(click.ClickException):
    """The order is not on hold."""


class ConfirmationRequired(click.ClickException):
    """Deciding all holds that match a filter needs a confirmation, and there is no terminal."""

    exit_code = Exit.USAGE

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self._problem = problem

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print the problem and its hint."""
        print_problems([self._problem], label="error: ", stderr=True)


@dataclass(kw_only=True)
class DecisionResult:
    """The result of a decision about one or more holds.

    Attributes:
        verb: The decision: `dismissed` or `accepted`.
        by: The person who decided.
        matched: Number of holds that the person named, or that match the filter.
        done: Number of holds that were decided.
        refused: Number of holds that could not be decided; `refusals` has the first, with reasons.
    """

    verb: str
    by: str
    matched: int
    done: int = 0
    refused: int = 0
    refusals: list[dict[str, str]] = field(default_factory=list)

    def refuse(self, order_id: object, why: str) -> None:
        """Record that an order's hold could not be decided."""
        self.refused += 1
        if len(self.refusals) < MAX_REFUSALS_SHOWN:
            self.refusals.append({"order_id": str(order_id), "why": why})

    def print(self, *, as_json: bool) -> None:
        """Print the result, and exit with code 1 if a hold was refused."""
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
            click.echo("no hold matches that: nothing was done")
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


def confirm(count: HoldCount, verb: str, *, is_confirmed: bool) -> None:
    """Show the number of holds by reason, and ask whether to go on unless `is_confirmed`.

    Raises:
        ConfirmationRequired: there is no terminal to ask on.
        click.Abort: the answer is no.
    """
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in count.by_reason.items())
    click.echo(f"{count.total:,} holds: {reasons}", err=True)
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise ConfirmationRequired(
            Problem(
                what=f"{count.total:,} holds would be {verb}, but there is no terminal on which to"
                " ask for confirmation: nothing was done",
                hint="look at them with: reconciler holds list; then add --yes",
            )
        )
    click.confirm(f"should these holds be {verb}?", abort=True, err=True)


def no_such_hold(order_id: OrderId) -> NoSuchHold:
    """Return the error that an order was never on hold."""
    return NoSuchHold(f"order {order_id} has never been on hold: see reconciler holds list")


@dataclass(frozen=True, kw_only=True)
class HoldDecision(ABC):
    """A person's decision about holds.

    Attributes:
        table: The user's table of orders.
        scope: Whose holds they are.
        by: The person's name.
        verb: The decision as a participle: `accepted`.
        activity: The decision as a progress bar names it: `accepting holds`.
    """

    database: Database
    table: UserTable
    scope: Scope
    by: str

    verb: ClassVar[str]
    activity: ClassVar[str]

    @cached_property
    def _orders(self) -> OrdersTable:
        with self.database.autocommit() as connection:
            return read_orders_table(connection, self.table)

    @abstractmethod
    def decide(self, order_id: OrderId) -> str:
        """Decide an order's hold; return what was done, for a person.

        Raises:
            NoSuchHold: the order is not on hold.
            NotAcceptable: its hold cannot be accepted; nothing was written.
        """

    @abstractmethod
    def _decide_page(
        self, hold_filter: HoldFilter, *, after: int, last_id: int, result: DecisionResult
    ) -> int | None:
        """Decide a page of holds, from `after` to `last_id`; return where the next page begins."""

    def parse_ids(self, texts: Sequence[str]) -> Sequence[OrderId]:
        """Return the ids that the person named.

        Raises:
            click.BadParameter: the table cannot have one of them.
        """
        with self.database.autocommit() as connection:
            orders = read_orders_if_suitable(connection, self.table)
        return [parse_order_id(text, orders) for text in texts]

    def decide_each(self, order_ids: Sequence[OrderId]) -> DecisionResult:
        """Decide the holds of some orders, each on its own."""
        result = self._new_result(len(order_ids))
        for order_id in order_ids:
            try:
                self.decide(order_id)
            except NoSuchHold as error:
                result.refuse(order_id, error.format_message())
            except (NotAcceptable, StoreRejected) as error:
                result.refuse(order_id, str(error))
            else:
                result.done += 1
        return result

    def decide_matching(self, hold_filter: HoldFilter, *, is_confirmed: bool) -> DecisionResult:
        """Decide all holds that match a filter, after the person has confirmed their number.

        Raises:
            ConfirmationRequired: there is no terminal to ask on.
            click.Abort: the answer is no.
        """
        orders = self._orders
        with self.database.autocommit() as connection:
            count = count_holds(connection, orders, hold_filter)
        result = self._new_result(count.total)
        if not count.total:
            return result
        confirm(count, self.verb, is_confirmed=is_confirmed)
        after: int | None = 0
        with CountProgress(self.activity, count.total) as progress:
            while after is not None:
                after = self._decide_page(
                    hold_filter, after=after, last_id=count.last_id, result=result
                )
                progress.update(result.done + result.refused)
        return result

    def _new_result(self, matched: int) -> DecisionResult:
        return DecisionResult(verb=self.verb, by=self.by, matched=matched)


@dataclass(frozen=True, kw_only=True)
class AcceptHolds(HoldDecision):
    """Write the exchange's view over the rows, and end the holds.

    `status` is the status to write if the exchange has none that we know.
    """

    exchange: str
    status: Status | None

    verb = "accepted"
    activity = "accepting holds"

    def decide(self, order_id: OrderId) -> str:
        """Accept an order's hold."""
        orders = self._orders
        with self.database.transaction() as connection:
            hold = _active(read_hold(connection, self.table.scope, str(order_id)), order_id)
            acceptance = decide_acceptance(hold, self.status, orders, now=datetime.now(UTC))
            accept(
                connection, orders, hold, order_id, acceptance, exchange=self.exchange, by=self.by
            )
        return f"order {order_id} is now {describe_facts(acceptance.to)}, accepted by {self.by}"

    def _decide_page(
        self, hold_filter: HoldFilter, *, after: int, last_id: int, result: DecisionResult
    ) -> int | None:
        with self.database.autocommit() as connection:
            page = read_hold_page(
                connection,
                self._orders,
                hold_filter,
                after=after,
                last_id=last_id,
                limit=ACCEPT_PAGE_ROWS,
            )
        acceptances = self._acceptances(page.holds, result)
        for order_id, why_not in accept_all(self.database, self._acceptor, acceptances).items():
            if why_not is None:
                result.done += 1
            else:
                result.refuse(order_id, why_not)
        return page.next_after

    @cached_property
    def _acceptor(self) -> AcceptanceWriter:
        return AcceptanceWriter(self._orders, exchange=self.exchange, by=self.by)

    def _acceptances(
        self, holds: Iterable[HeldOrder], result: DecisionResult
    ) -> dict[OrderId, tuple[HeldOrder, Acceptance]]:
        """Return an acceptance for each hold; add holds that cannot be accepted to `result`."""
        acceptances: dict[OrderId, tuple[HeldOrder, Acceptance]] = {}
        now = datetime.now(UTC)
        for hold in holds:
            try:
                acceptance = decide_acceptance(hold, self.status, self._orders, now=now)
                acceptances[self._orders.parse_id(hold.order_id)] = (hold, acceptance)
            except NotAcceptable as error:
                result.refuse(hold.order_id, str(error))
            except ValueError:
                result.refuse(
                    hold.order_id, f"order {hold.order_id}: orders has no ids of this kind"
                )
        return acceptances


@dataclass(frozen=True, kw_only=True)
class DismissHolds(HoldDecision):
    """End holds, so that the orders are tried again."""

    verb = "dismissed"
    activity = "dismissing holds"

    def decide(self, order_id: OrderId) -> str:
        """Dismiss an order's hold."""
        with self.database.transaction() as connection:
            _active(read_hold(connection, self.table.scope, str(order_id)), order_id)
            dismiss_hold(connection, self.table.scope, str(order_id), by=self.by)
        return f"the hold on order {order_id} was dismissed by {self.by}: it is tried again"

    def _decide_page(
        self, hold_filter: HoldFilter, *, after: int, last_id: int, result: DecisionResult
    ) -> int | None:
        with self.database.transaction() as connection:
            dismissed, next_after = dismiss_hold_page(
                connection,
                self._orders,
                hold_filter,
                after=after,
                last_id=last_id,
                limit=DISMISS_PAGE_ROWS,
                by=self.by,
            )
        result.done += dismissed
        return next_after


def _active(hold: HeldOrder | None, order_id: OrderId) -> HeldOrder:
    if hold is None:
        raise no_such_hold(order_id)
    if hold.resolved_at is not None:
        raise NoSuchHold(
            f"order {order_id} is no longer on hold: {hold.resolution}"
            f" at {moment(hold.resolved_at)}"
        )
    return hold
