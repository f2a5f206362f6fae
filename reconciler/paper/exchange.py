"""The state of the paper exchange, which its routes read and change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialect.answers import TimeUnit
from reconciler.paper.dialect.routes import AccountView
from reconciler.paper.faults import FaultTable
from reconciler.paper.faults.distortions import distortion_of
from reconciler.paper.order_store import OrderStore
from reconciler.paper.orders import SeedOptions, generate_orders
from reconciler.paper.request_log import RequestLog
from reconciler.paper.weight_meter import WeightMeter

ACCOUNT_UID = 8900
"""The account's default identity: the same at every port and on every machine."""


@dataclass(kw_only=True, slots=True)
class PaperExchange:
    """One account at one exchange.

    Attributes:
        account_id: The account's identity; the `uid` of its answers.
        clock_ms: Returns the time in ms since 1970.
        sleep: Waits for a number of seconds; used for simulated latency only.
    """

    clock_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    request_log: RequestLog
    account_id: int = ACCOUNT_UID
    access: AccessPolicy = field(default_factory=AccessPolicy)
    meter: WeightMeter = field(default_factory=WeightMeter)
    faults: FaultTable = field(default_factory=FaultTable)
    orders: OrderStore = field(default_factory=OrderStore)

    def seed(self, seed_options: SeedOptions) -> None:
        """Replace all orders by newly generated ones."""
        self.orders = OrderStore(generate_orders(seed_options, self.clock_ms()))

    def view(self, route: str, time_unit: TimeUnit = TimeUnit.MILLISECOND) -> AccountView:
        """Return the account as a request to `route` sees it now, with times in `time_unit`."""
        now_ms = self.clock_ms()
        rules = self.faults.rules_for(route, now_ms)
        others = [rule.account_uid for rule in rules if rule.account_uid is not None]
        return AccountView(
            orders=self.orders,
            now_ms=now_ms + sum(rule.clock_offset_ms for rule in rules),
            weight_limit=self.meter.limit,
            uid=others[-1] if others else self.account_id,
            delisted=frozenset(symbol for rule in rules for symbol in rule.delisted_symbols),
            time_unit=time_unit,
            distort=distortion_of(rules, seed=self.faults.seed, now_ms=now_ms),
        )
