"""Accept and dismiss holds: of named orders, or, page by page, all that match a filter."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

from sqlalchemy import Connection

from reconciler.domain.order import OrderId, describe_facts
from reconciler.domain.status import Status
from reconciler.errors import StoreRejected
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
from reconciler.store.locked_holds import NoSuchHold, lock_holds, why_no_hold
from reconciler.store.orders_table import OrdersTable, read_orders_table
from reconciler.store.user_table import UserTable

MAX_REFUSALS_SHOWN = 20
DISMISS_PAGE_ROWS = 5000
ACCEPT_PAGE_ROWS = 200
"""Rows of `orders` that are locked at once; about as many as in a worker's batch."""

NOT_SHOWN: Mapping[OrderId, str] = MappingProxyType({})
"""The person has named orders without having seen their holds."""


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

    @property
    def gone(self) -> int:
        """Number of holds that had ended, or matched no longer, before their turn."""
        return self.matched - self.done - self.refused

    def refuse(self, order_id: object, why: str) -> None:
        """Record that an order's hold could not be decided."""
        self.refused += 1
        if len(self.refusals) < MAX_REFUSALS_SHOWN:
            self.refusals.append({"order_id": str(order_id), "why": why})


def fingerprint(hold: HeldOrder) -> str:
    """Return a text that is another one for any other hold, or once something of it has changed."""
    return hashlib.blake2s(repr(astuple(hold)).encode(), digest_size=16).hexdigest()


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
    def decide(self, order_id: OrderId, *, shown: str | None = None) -> str:
        """Decide an order's hold; return what was done, for a person.

        `shown` is the `fingerprint` of the hold that the person decided on; None if it is any.

        Raises:
            NoSuchHold: the order is not on hold, or its hold is not the one that was shown.
            NotAcceptable: its hold cannot be accepted; nothing was written.
        """

    @abstractmethod
    def _decide_page(
        self, hold_filter: HoldFilter, *, after: int, last_id: int, result: DecisionResult
    ) -> int | None:
        """Decide a page of holds, from `after` to `last_id`; return where the next page begins."""

    def decide_each(
        self, order_ids: Sequence[OrderId], *, shown: Mapping[OrderId, str] = NOT_SHOWN
    ) -> DecisionResult:
        """Decide the holds of some orders, each on its own."""
        result = self._new_result(len(order_ids))
        for order_id in order_ids:
            try:
                self.decide(order_id, shown=shown.get(order_id))
            except (NoSuchHold, NotAcceptable, StoreRejected) as error:
                result.refuse(order_id, str(error))
            else:
                result.done += 1
        return result

    def count(self, hold_filter: HoldFilter) -> HoldCount:
        """Count the holds that match a filter."""
        orders = self._orders
        with self.database.autocommit() as connection:
            return count_holds(connection, orders, hold_filter)

    def decide_counted(
        self,
        hold_filter: HoldFilter,
        count: HoldCount,
        on_progress: Callable[[DecisionResult], None],
    ) -> DecisionResult:
        """Decide the holds that match a filter and were counted; none that began later.

        `on_progress` is called after each page with the result so far.
        """
        result = self._new_result(count.total)
        after: int | None = 0 if count.total else None
        while after is not None:
            after = self._decide_page(
                hold_filter, after=after, last_id=count.last_id, result=result
            )
            on_progress(result)
        return result

    def _lock(self, connection: Connection, order_id: OrderId, shown: str | None) -> HeldOrder:
        hold = lock_holds(connection, self.scope, [str(order_id)]).get(str(order_id))
        if hold is None:
            raise why_no_hold(read_hold(connection, self.scope, str(order_id)), order_id)
        if shown is not None and fingerprint(hold) != shown:
            raise NoSuchHold(
                f"the hold of order {order_id} has changed since it was shown: look at it again"
            )
        return hold

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

    def decide(self, order_id: OrderId, *, shown: str | None = None) -> str:
        """Accept an order's hold."""
        orders = self._orders
        with self.database.transaction() as connection:
            hold = self._lock(connection, order_id, shown)
            acceptance = decide_acceptance(hold, self.status, orders, now=datetime.now(UTC))
            accept(
                connection, orders, hold, order_id, acceptance, exchange=self.exchange, by=self.by
            )
        return f"order {order_id} is now {describe_facts(acceptance.to)}, accepted by {self.by}"

    def _decide_page(
        self, hold_filter: HoldFilter, *, after: int, last_id: int, result: DecisionResult
    ) -> int | None:
        orders = self._orders  # Before the connection: there is only one.
        with self.database.autocommit() as connection:
            page = read_hold_page(
                connection,
                orders,
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

    def decide(self, order_id: OrderId, *, shown: str | None = None) -> str:
        """Dismiss an order's hold."""
        with self.database.transaction() as connection:
            self._lock(connection, order_id, shown)
            dismiss_hold(connection, self.table.scope, str(order_id), by=self.by)
        return f"the hold on order {order_id} was dismissed by {self.by}: it is tried again"

    def _decide_page(
        self, hold_filter: HoldFilter, *, after: int, last_id: int, result: DecisionResult
    ) -> int | None:
        orders = self._orders  # Before the connection: there is only one.
        with self.database.transaction() as connection:
            dismissed, next_after = dismiss_hold_page(
                connection,
                orders,
                hold_filter,
                after=after,
                last_id=last_id,
                limit=DISMISS_PAGE_ROWS,
                by=self.by,
            )
        result.done += dismissed
        return next_after
