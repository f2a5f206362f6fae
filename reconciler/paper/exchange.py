"""The state of the paper exchange, which its routes read and change."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field

from reconciler.paper.account_view import AccountView
from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.dialect import Dialect
from reconciler.paper.faults import FaultTable
from reconciler.paper.faults.distortions import distortion_of
from reconciler.paper.meters import Meter
from reconciler.paper.order_store import OrderStore
from reconciler.paper.orders import SeedOptions, generate_orders
from reconciler.paper.request_log import RequestLog

ACCOUNT_UID = 8900
"""The account's default identity: the same at every port and on every machine."""


@dataclass(kw_only=True, slots=True)
class PaperExchange:
    """One account at one exchange.

    Attributes:
        dialect: How it spells, signs, answers and refuses.
        account_id: The account's identity; the `uid` of its answers.
        clock_ms: Returns the time in ms since 1970.
        sleep: Waits for a number of seconds; used for simulated latency only.
        nonces: The largest nonce of each API key so far.
    """

    dialect: Dialect
    clock_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    request_log: RequestLog
    meter: Meter
    account_id: int = ACCOUNT_UID
    access: AccessPolicy = field(default_factory=AccessPolicy)
    faults: FaultTable = field(default_factory=FaultTable)
    orders: OrderStore = field(default_factory=OrderStore)
    nonces: MutableMapping[str, int] = field(default_factory=dict)

    def seed(self, seed_options: SeedOptions) -> None:
        """Replace all orders by newly generated ones."""
        self.orders = OrderStore(generate_orders(seed_options, self.clock_ms()))

    def view(self, route: str) -> AccountView:
        """Return the account as a request to `route` sees it now."""
        now_ms = self.clock_ms()
        rules = self.faults.rules_for(route, now_ms)
        others = [rule.account_uid for rule in rules if rule.account_uid is not None]
        return AccountView(
            orders=self.orders,
            now_ms=now_ms + sum(rule.clock_offset_ms for rule in rules),
            limit=self.meter.limit,
            uid=others[-1] if others else self.account_id,
            access=self.access,
            nonces=self.nonces,
            delisted=frozenset(symbol for rule in rules for symbol in rule.delisted_symbols),
            distort=distortion_of(rules, seed=self.faults.seed, now_ms=now_ms),
        )
