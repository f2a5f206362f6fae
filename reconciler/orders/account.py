"""Verify that the API key belongs to the account that placed the orders.

A wrong key raises no error: the exchange answers for another account, which knows none of our
orders. So the account is remembered at the first contact. Under another account nothing is written
until a person has confirmed it.
"""

import asyncio
from dataclasses import dataclass, field

import structlog

from reconciler.errors import BreakerOpen, ExchangeError, Problem, StoreRefused, StoreUnavailable
from reconciler.exchanges.base import Account, Exchange
from reconciler.orders.faults import fault_for_person, fault_of
from reconciler.scope import Scope
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.workload import FaultKind, WorkerFault

RECHECK_SECONDS = 30.0

UNNAMED = "the exchange names no account (its answer has no uid), so a wrong key would go unnoticed"
UNNAMED_HINT = (
    "if this exchange never names one (Binance.US, an older gateway), and the key is the right one,"
    " set RECONCILIATION_UNNAMED_ACCOUNT=accept"
)

OTHER_ACCOUNT_HINT = (
    "set the right EXCHANGE_API_KEY, or, if the account did change: reconciler account confirm"
    " --by YOUR-NAME"
)

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class AccountVerifier:
    """Asks the exchange for the key's account once, before the first order is looked up.

    Attributes:
        accepts_unnamed: Go on even if the exchange does not name the account.
    """

    exchange: Exchange
    database: Database
    scope: Scope
    is_dry_run: bool
    accepts_unnamed: bool = False
    _is_verified: bool = field(default=False, init=False)
    _account: Account | None = field(default=None, init=False)
    """The answer of the exchange, kept until the database has answered too."""

    async def verify(self) -> WorkerFault | None:
        """Return the fault that forbids asking about orders; None if the account is right."""
        if self._is_verified:
            return None
        try:
            account = self._account = self._account or await self.exchange.fetch_account()
            if account.identity is None:
                return self._check_unnamed()
            remembered = await asyncio.to_thread(self._remembered, account.identity)
        except (ExchangeError, BreakerOpen, StoreUnavailable, StoreRefused) as error:
            return fault_of(error)
        self._account = None
        if remembered != account.identity:
            other = Problem(
                what=f"the exchange knows us as account {account.identity}, but the orders are of"
                f" account {remembered}: nothing is written",
                hint=OTHER_ACCOUNT_HINT,
            )
            return fault_for_person(FaultKind.ACCOUNT, [other], RECHECK_SECONDS)
        self._is_verified = True
        return None

    def _check_unnamed(self) -> WorkerFault | None:
        self._account = None
        self._is_verified = self.accepts_unnamed
        if self.accepts_unnamed:
            log.warning("account.unnamed", exchange=self.exchange.venue.name)
            return None
        unnamed = Problem(what=f"{UNNAMED}: nothing is written", hint=UNNAMED_HINT)
        return fault_for_person(FaultKind.ACCOUNT, [unnamed], RECHECK_SECONDS)

    def _remembered(self, identity: str) -> str:
        """Return the remembered account. At the first contact, remember this one first."""
        venue = self.exchange.venue.name
        with self.database.transaction() as connection:
            if self.is_dry_run:
                return shared_state.read_account(connection, self.scope, venue) or identity
            return shared_state.remember_account(connection, self.scope, venue, identity)
