"""The smallest possible workload: `python -m tests.cli.standalone`; BEHAVIOUR says what happens.

The worker processes import it too.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import structlog
from pydantic import Field, SecretStr

from reconciler.cli.workload import main
from reconciler.errors import ConfigurationError, Problem, StoreUnavailable
from reconciler.resilience.breaker_state import BreakerSnapshot
from reconciler.resilience.budget import Budget
from reconciler.resilience.nonces import Nonces
from reconciler.settings import Settings
from reconciler.workload import (
    Batch,
    Chunk,
    Counts,
    FaultKind,
    Handler,
    Page,
    Planner,
    Result,
    WorkerFault,
    Workload,
)

log = structlog.get_logger(__name__)


class Behaviour(StrEnum):
    """The ways in which the program ends."""

    WORK = "work"
    LACK_STORE = "lack_store"
    BE_MISCONFIGURED = "be_misconfigured"
    RAISE = "raise"
    LACK_EXCHANGE = "lack_exchange"
    BE_REFUSED = "be_refused"


class StandaloneSettings(Settings):
    """The settings, and two more."""

    behaviour: Behaviour = Field(Behaviour.WORK, alias="BEHAVIOUR")
    word: SecretStr = Field(SecretStr("none"), alias="WORD")


@dataclass(frozen=True, kw_only=True)
class Item:
    """Nothing but an id."""

    id: int


class OneItemPlanner(Planner):
    """Plans one item."""

    def plan(self, limit: int, after: Hashable | None) -> Page:  # noqa: ARG002 - the protocol's
        """Return a page of it."""
        return Page(chunks=(Chunk(key="coin", items=(Item(id=1),)),))


class OneItemHandler(Handler):
    """Finishes its batch, or reports a fault."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:  # noqa: ARG002 - the protocol's
        """Return all items as done, or a fault that lasts an hour."""
        if self._behaviour is Behaviour.WORK:
            log.info("batch.worked", items=batch.size)
            return Result(counts=Counts(scanned=batch.size, reconciled=batch.size))
        kind = FaultKind.REFUSED if self._behaviour is Behaviour.BE_REFUSED else FaultKind.EXCHANGE
        fault = WorkerFault(kind=kind, message="the node says no", retry_after_seconds=3600)
        return Result(unfinished=batch.chunks, fault=fault)


@dataclass(frozen=True)
class Standalone(Workload):
    """Run one item, and end as BEHAVIOUR says."""

    settings: StandaloneSettings

    def open_planner(self) -> Planner:
        """Open the supervisor's side, or raise what BEHAVIOUR says."""
        match self.settings.behaviour:
            case Behaviour.LACK_STORE:
                raise StoreUnavailable("the database does not answer")
            case Behaviour.BE_MISCONFIGURED:
                raise ConfigurationError([Problem(what="it cannot work", hint="buy another")])
            case Behaviour.RAISE:
                raise RuntimeError(f"the word is {self.settings.word.get_secret_value()}")
            case Behaviour.WORK | Behaviour.LACK_EXCHANGE | Behaviour.BE_REFUSED:
                return OneItemPlanner()
            case never:
                assert_never(never)

    async def open_handler(
        self,
        *,
        shard: int,  # noqa: ARG002 - the protocol's
        budget: Budget,  # noqa: ARG002 - the protocol's
        nonces: Nonces,  # noqa: ARG002 - the protocol's
        breaker: BreakerSnapshot | None,  # noqa: ARG002 - the protocol's
    ) -> Handler:
        """Open a worker's side."""
        return OneItemHandler(self.settings.behaviour)


if __name__ == "__main__":
    main(Standalone, StandaloneSettings)
