"""Make sure that the exchange knows us as the account that the orders are of.

A wrong key does not fail: it answers for somebody else's account, to whom every order of ours is
unknown. So the account is remembered at first contact, and nothing is done under another one until
a person has confirmed it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from reconciler.errors import (
    BreakerOpen,
    ExchangeError,
    Problem,
    Refused,
    StoreRefused,
    StoreUnavailable,
)
from reconciler.exchanges.base import Account, Exchange
from reconciler.store import shared_state
from reconciler.store.database import Database
from reconciler.workload import FaultKind, WorkerFault

RETRY_SECONDS = 5.0
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
class AccountGuard:
    """Asks who we are once, before the first question about an order.

    Attributes:
        accepts_unnamed: Go on also where the exchange does not say who we are.
    """

    exchange: Exchange
    database: Database
    is_dry_run: bool
    accepts_unnamed: bool = False
    _is_verified: bool = field(default=False, init=False)
    _account: Account | None = field(default=None, init=False)
    """Who we are, while the database could not say whose the orders are."""

    async def verify(self) -> WorkerFault | None:
        """Return what keeps us from going on; None: it is the right account."""
        if self._is_verified:
            return None
        try:
            account = self._account = self._account or await self.exchange.fetch_account()
            if account.identity is None:
                return self._judge_unnamed()
            known = await asyncio.to_thread(self._known, account.identity)
        except (ExchangeError, BreakerOpen, StoreUnavailable, StoreRefused) as error:
            return fault_of(error)
        self._account = None
        if known != account.identity:
            other = Problem(
                what=f"the exchange knows us as account {account.identity}, but the orders are of"
                f" account {known}: nothing is written",
                hint=OTHER_ACCOUNT_HINT,
            )
            return _for_a_person(FaultKind.ACCOUNT, [other], RECHECK_SECONDS)
        self._is_verified = True
        return None

    def _judge_unnamed(self) -> WorkerFault | None:
        self._account = None
        self._is_verified = self.accepts_unnamed
        if self.accepts_unnamed:
            log.warning("account.unnamed", exchange=self.exchange.venue.name)
            return None
        unnamed = Problem(what=f"{UNNAMED}: nothing is written", hint=UNNAMED_HINT)
        return _for_a_person(FaultKind.ACCOUNT, [unnamed], RECHECK_SECONDS)

    def _known(self, identity: str) -> str:
        venue = self.exchange.venue.name
        with self.database.transaction() as connection:
            if self.is_dry_run:
                return shared_state.read_account(connection, venue) or identity
            return shared_state.remember_account(connection, venue, identity)


def fault_of(
    error: ExchangeError | BreakerOpen | StoreUnavailable | StoreRefused,
) -> WorkerFault:
    """Return what an error means for the worker as a whole."""
    failed_tries = int(isinstance(error, ExchangeError))
    match error:
        case StoreRefused(problems=problems):
            return _for_a_person(FaultKind.RIGHTS, problems, RETRY_SECONDS)
        case StoreUnavailable():
            kind, seconds = FaultKind.STORE, RETRY_SECONDS
        case Refused(hint=hint):
            refused = Problem(what=str(error), hint=hint)
            return _for_a_person(FaultKind.REFUSED, [refused], RETRY_SECONDS, failed_tries)
        case BreakerOpen(retry_after_seconds=seconds):
            kind = FaultKind.EXCHANGE
        case _:
            kind, seconds = FaultKind.EXCHANGE, RETRY_SECONDS
    return WorkerFault(
        kind=kind,
        message=str(error),
        retry_after_seconds=seconds,
        failed_tries=failed_tries,
    )


def _for_a_person(
    kind: FaultKind, problems: Sequence[Problem], seconds: float, failed_tries: int = 0
) -> WorkerFault:
    return WorkerFault(
        kind=kind,
        message="\n".join(map(str, problems)),
        retry_after_seconds=seconds,
        failed_tries=failed_tries,
        problems=tuple(problems),
    )
