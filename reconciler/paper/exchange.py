"""The paper exchange's state: what its routes read and change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reconciler.paper.auth import Access
from reconciler.paper.dialect.answers import TimeUnit
from reconciler.paper.dialect.routes import View
from reconciler.paper.faults import FaultTable
from reconciler.paper.faults.distortions import shown_under
from reconciler.paper.limits import WeightMeter
from reconciler.paper.order_store import OrderStore
from reconciler.paper.orders import Seeding, write_orders
from reconciler.paper.traffic import Traffic

ACCOUNT_UID = 8900
"""The account's identity unless it is told otherwise: the same at every port, on every machine."""


@dataclass(kw_only=True, slots=True)
class PaperExchange:
    """One account at one exchange.

    Attributes:
        account_id: What tells this account from others; the `uid` of its answers.
        clock_ms: Tells the time in ms since 1970.
        sleep: Waits so many seconds; used for simulated latency only.
    """

    clock_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    traffic: Traffic
    account_id: int = ACCOUNT_UID
    access: Access = field(default_factory=Access)
    meter: WeightMeter = field(default_factory=WeightMeter)
    faults: FaultTable = field(default_factory=FaultTable)
    book: OrderStore = field(default_factory=OrderStore)

    def seed(self, seeding: Seeding) -> None:
        """Fill the book anew: whatever was in it is gone."""
        self.book = OrderStore(write_orders(seeding, self.clock_ms()))

    def view(self, route: str, time_unit: TimeUnit = TimeUnit.MILLISECOND) -> View:
        """Return the account as a request of `route` sees it now, with times in `time_unit`."""
        now_ms = self.clock_ms()
        rules = self.faults.rules_for(route, now_ms)
        others = [rule.account_uid for rule in rules if rule.account_uid is not None]
        return View(
            book=self.book,
            now_ms=now_ms + sum(rule.clock_offset_ms for rule in rules),
            weight_limit=self.meter.limit,
            uid=others[-1] if others else self.account_id,
            delisted=frozenset(symbol for rule in rules for symbol in rule.delisted_symbols),
            time_unit=time_unit,
            show=shown_under(rules, seed=self.faults.seed, now_ms=now_ms),
        )
