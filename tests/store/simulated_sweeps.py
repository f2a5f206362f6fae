"""Sweeps of the real planner over a real table, in simulated time.

The planner's connections find a `now()` of ours before PostgreSQL's, so minutes pass in no time. An
order is looked at by setting `last_synced_at`; the simulated rate budget says when. New orders are
placed meanwhile, half of them of the hot symbol.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from random import Random
from urllib.parse import quote

from reconciler.domain.order import OrderId
from reconciler.workload import Page, Planner

from .builders import Application

SYMBOLS = 300
HOT = "HOT"
OPEN_ORDERS = 2400
"""At the beginning; half of them are of the hot symbol."""

STALE_AFTER = timedelta(minutes=5)
LOOK_SECONDS = 10 * STALE_AFTER.total_seconds() / OPEN_ORDERS
"""The budget allows a look in this time, and so a tenth of what the open orders need."""

PLACED_EVERY_SECONDS = 10 * LOOK_SECONDS
PAGE_ITEMS = 400
TOLERANCE = timedelta(seconds=1)
LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Stands for never synced."""

SIMULATED_CLOCK = """
    CREATE SCHEMA simulated;
    CREATE TABLE simulated.clock (now timestamptz);
    INSERT INTO simulated.clock VALUES ('2026-01-01 UTC');
    CREATE FUNCTION simulated.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS 'SELECT now FROM simulated.clock';
    CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS 'SELECT now FROM simulated.clock';
"""

Plan = Callable[[int, Hashable | None], Page]


def with_simulated_clock(database_url: str) -> str:
    """Return the URL for connections that see the simulated time."""
    path = quote("-csearch_path=simulated,pg_catalog,public", safe="")
    return f"{database_url}&options={path}"


@dataclass(frozen=True, kw_only=True)
class SimulatedOrder:
    """An open order, and when it was last synced."""

    id: OrderId
    symbol: str
    placed_at: datetime
    synced_at: datetime = LONG_AGO

    @property
    def stale_since(self) -> datetime:
        """Return since when it has been stale; a new order is from the start."""
        return self.placed_at if self.synced_at == LONG_AGO else self.synced_at + STALE_AFTER


@dataclass(frozen=True, kw_only=True)
class Look:
    """A look at an order: the order as it was before, and when."""

    order: SimulatedOrder
    at: datetime

    @property
    def waited(self) -> timedelta:
        """Return for how long the order had been stale."""
        return self.at - self.order.stale_since


@dataclass(frozen=True, kw_only=True)
class State:
    """The open orders at a time."""

    at: datetime
    orders: Sequence[SimulatedOrder]

    @property
    def stale(self) -> list[SimulatedOrder]:
        """The orders that are stale for certain."""
        return [order for order in self.orders if order.stale_since < self.at - TOLERANCE]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep: the state when it began, and the looks at each page's orders."""

    before: State
    pages: Sequence[Sequence[Look]]
    ended_at: datetime
    is_finished: bool

    @property
    def looks(self) -> list[Look]:
        """All looks, in their order."""
        return [look for page in self.pages for look in page]

    @property
    def duration(self) -> timedelta:
        """How long it took."""
        return self.ended_at - self.before.at


@dataclass(kw_only=True)
class SimulatedPlatform:
    """The platform's open orders, the time, and the orders that are placed as it passes."""

    application: Application
    id_of: Callable[[int], OrderId]
    random: Random = field(default_factory=lambda: Random(13))  # noqa: S311 - always the same
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    orders: dict[OrderId, SimulatedOrder] = field(default_factory=dict)
    _unwritten: set[OrderId] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Make the clock, and orders that are stale for up to an hour or were never synced."""
        self.application.execute(SIMULATED_CLOCK)
        self._next_at = self.now
        for number in range(OPEN_ORDERS):
            age = STALE_AFTER + timedelta(seconds=self.random.uniform(2, 3600))
            synced_at = LONG_AGO if number % 10 == 0 else self.now - age
            self._place(number, placed_at=self.now - age, synced_at=synced_at)

    def sweep(self, plan: Plan) -> Sweep:
        """Look at everything that a sweep's pages have, at the speed of the budget."""
        before = State(at=self.now, orders=list(self.orders.values()))
        pages: list[list[Look]] = []
        after: Hashable | None = None
        # A sweep without end would look at orders again and again.
        while sum(map(len, pages)) < 2 * len(self.orders):
            self._write()
            page = plan(PAGE_ITEMS, after)
            pages.append(list(self._look_at(page)))
            after = page.next
            if after is None:
                break
        return Sweep(before=before, pages=pages, ended_at=self.now, is_finished=after is None)

    def _look_at(self, page: Page) -> Iterator[Look]:
        for chunk in page.chunks:
            for item in chunk.items:
                self._pass_time()
                order = self.orders[item.id]
                self.orders[item.id] = replace(order, synced_at=self.now)
                self._unwritten.add(item.id)
                yield Look(order=order, at=self.now)

    def _pass_time(self) -> None:
        self.now += timedelta(seconds=LOOK_SECONDS)
        while self._next_at <= self.now:
            self._place(self.random.randrange(OPEN_ORDERS), placed_at=self._next_at)
            self._next_at += timedelta(seconds=PLACED_EVERY_SECONDS)

    def _place(self, number: int, *, placed_at: datetime, synced_at: datetime = LONG_AGO) -> None:
        id_ = self.id_of(next(self._numbers))
        symbol = HOT if number % 2 else f"SYM{number // 2 % (SYMBOLS - 1)}"
        self.orders[id_] = SimulatedOrder(
            id=id_, symbol=symbol, placed_at=placed_at, synced_at=synced_at
        )
        self._unwritten.add(id_)

    def _write(self) -> None:
        """Write the time, and the orders that have changed."""
        self.application.execute("UPDATE simulated.clock SET now = %s", (self.now,))
        with self.application.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO orders (id, symbol, external_order_id, status, executed_qty,"
                " created_at, last_synced_at) VALUES (%s, %s, %s, 'new', 0, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET last_synced_at = excluded.last_synced_at",
                [
                    (
                        order.id,
                        order.symbol,
                        str(order.id),
                        order.placed_at,
                        None if order.synced_at == LONG_AGO else order.synced_at,
                    )
                    for order in map(self.orders.__getitem__, self._unwritten)
                ],
            )
        self._unwritten.clear()


def injustices(sweeps: Sequence[Sweep]) -> list[str]:
    """Describe each way in which sweeps, one after another, have been unfair to an order."""
    found = [fault for sweep in sweeps for fault in _injustices_in(sweep)]
    for before, after in pairwise(sweeps):
        bound = before.duration + after.duration
        waited = max(look.waited for look in after.looks)
        if waited > bound + TOLERANCE:
            found.append(f"an order waited for {waited}, and the two sweeps took {bound}")
    return found


def _injustices_in(sweep: Sweep) -> Iterator[str]:
    looked_at = [look.order.id for look in sweep.looks]
    if missed := {order.id for order in sweep.before.stale}.difference(looked_at):
        yield f"{len(missed)} orders were stale when the sweep began, and not looked at"
    if twice := len(looked_at) - len(set(looked_at)):
        yield f"{twice} looks at an order that the sweep had looked at before"
    if early := [look for look in sweep.looks if look.waited < -TOLERANCE]:
        yield f"{len(early)} looks at an order that was not stale"
    if not sweep.is_finished:
        yield "the sweep did not end"
    yield from _disorder_in(sweep)


def _disorder_in(sweep: Sweep) -> Iterator[str]:
    """Compare the order of the symbols with that of their longest unsynced orders.

    From page to page only the orders count that were stale when the sweep began: a new order may
    come along with any of its symbol's.
    """
    stale = {order.id for order in sweep.before.stale}
    seen: dict[str, datetime] = {}
    latest = LONG_AGO
    for page in sweep.pages:
        in_turn = list(_oldest_by_symbol(page).values())
        if in_turn != sorted(in_turn):
            yield "on a page, a symbol's oldest order had waited for longer than one before"
        first = _oldest_by_symbol(look for look in page if look.order.id in stale)
        new = {symbol: oldest for symbol, oldest in first.items() if symbol not in seen}
        if new and min(new.values()) < latest:
            yield "a page has a symbol whose oldest order had waited for longer than one before"
        seen |= new
        latest = max((latest, *new.values()))


def _oldest_by_symbol(looks: Iterable[Look]) -> dict[str, datetime]:
    """Return when the longest unsynced order of each symbol was synced; symbols in their order."""
    oldest: dict[str, datetime] = {}
    for order in (look.order for look in looks):
        oldest[order.symbol] = min(oldest.get(order.symbol, order.synced_at), order.synced_at)
    return oldest


def unfair(planner: Planner, change: Callable[[Page], Page]) -> Plan:
    """Return a planner's `plan` whose pages are changed."""
    return lambda limit, after: change(planner.plan(limit, after))
