"""Make sure that the exchange knows us as the account that the orders are of.

A wrong key does not fail: it answers for somebody else's account, to whom every order of ours is
unknown. So the account is remembered at first contact, and nothing is done under another one until
a person has confirmed it.
"""

import asyncio
from dataclasses import dataclass, field

from reconciler.errors import BreakerOpen, ExchangeError, Refused, StoreUnavailable
from reconciler.exchanges.base import Account, Exchange
from reconciler.store import state
from reconciler.store.database import Database
from reconciler.worker.workload import Trouble, TroubleKind

RETRY_SECONDS = 5.0
RECHECK_SECONDS = 30.0


@dataclass(kw_only=True)
class AccountGuard:
    """Asks who we are once, before the first question about an order."""

    exchange: Exchange
    database: Database
    is_dry_run: bool
    _is_verified: bool = field(default=False, init=False)
    _account: Account | None = field(default=None, init=False)
    """Who we are, while the database could not say whose the orders are."""

    async def verify(self) -> Trouble | None:
        """Return what keeps us from going on; None: it is the right account."""
        if self._is_verified:
            return None
        try:
            account = self._account = self._account or await self.exchange.account()
            known = await asyncio.to_thread(self._known, account.identity)
        except (ExchangeError, BreakerOpen, StoreUnavailable) as error:
            return trouble_of(error)
        self._account = None
        if known != account.identity:
            return Trouble(
                kind=TroubleKind.ACCOUNT,
                message=(
                    f"the exchange knows us as account {account.identity}, but the orders are of"
                    f" account {known}: nothing is written\n  hint: set the right EXCHANGE_API_KEY,"
                    " or, if the account did change: reconciler account confirm --by YOUR-NAME"
                ),
                retry_after_seconds=RECHECK_SECONDS,
            )
        self._is_verified = True
        return None

    def _known(self, identity: str) -> str:
        venue = self.exchange.venue.name
        with self.database.transaction() as connection:
            if self.is_dry_run:
                return state.read_account(connection, venue) or identity
            return state.remember_account(connection, venue, identity)


def trouble_of(error: ExchangeError | BreakerOpen | StoreUnavailable) -> Trouble:
    """Return what an error means for the worker as a whole."""
    failed_tries = int(isinstance(error, ExchangeError))
    match error:
        case StoreUnavailable():
            kind, seconds = TroubleKind.STORE, RETRY_SECONDS
        case Refused(hint=hint):
            return Trouble(
                kind=TroubleKind.REFUSED,
                message=f"{error}\n  hint: {hint}",
                retry_after_seconds=RETRY_SECONDS,
                failed_tries=failed_tries,
            )
        case BreakerOpen(retry_after_seconds=seconds):
            kind = TroubleKind.EXCHANGE
        case _:
            kind, seconds = TroubleKind.EXCHANGE, RETRY_SECONDS
    return Trouble(
        kind=kind,
        message=str(error),
        retry_after_seconds=seconds,
        failed_tries=failed_tries,
    )
