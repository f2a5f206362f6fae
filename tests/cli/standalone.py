"""A workload of the least that one needs: `python -m tests.cli.standalone`, with what is to happen.

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


class Fate(StrEnum):
    """What becomes of the program."""

    WORK = "work"
    LACK_STORE = "lack_store"
    BE_UNFIT = "be_unfit"
    RAISE = "raise"
    LACK_NODE = "lack_node"
    BE_REFUSED = "be_refused"


class StandaloneSettings(Settings):
    """The settings, and two more."""

    fate: Fate = Field(Fate.WORK, alias="FATE")
    word: SecretStr = Field(SecretStr("none"), alias="WORD")


@dataclass(frozen=True, kw_only=True)
class Item:
    """Nothing but an id."""

    id: int


class OneItem(Planner):
    """Plans one item."""

    def plan(self, limit: int, after: Hashable | None) -> Page:  # noqa: ARG002 - the protocol's
        """Return a page of it."""
        return Page(chunks=(Chunk(key="coin", items=(Item(id=1),)),))


class Concluder(Handler):
    """Has nothing to look at."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    async def commit(self, batch: Batch, *, may_write: bool) -> Result:  # noqa: ARG002 - the protocol's
        """Do it, or be in trouble for an hour."""
        if self._fate is Fate.WORK:
            log.info("batch.worked", items=batch.size)
            return Result(counts=Counts(scanned=batch.size, reconciled=batch.size))
        kind = FaultKind.REFUSED if self._fate is Fate.BE_REFUSED else FaultKind.EXCHANGE
        fault = WorkerFault(kind=kind, message="the node says no", retry_after_seconds=3600)
        return Result(undone=batch.chunks, fault=fault)


@dataclass(frozen=True)
class Standalone(Workload):
    """Meet one's fate."""

    settings: StandaloneSettings

    def open_planner(self) -> Planner:
        """Open the parent's side."""
        match self.settings.fate:
            case Fate.LACK_STORE:
                raise StoreUnavailable("the database does not answer")
            case Fate.BE_UNFIT:
                raise ConfigurationError([Problem(what="it cannot work", hint="buy another")])
            case Fate.RAISE:
                raise RuntimeError(f"the word is {self.settings.word.get_secret_value()}")
            case Fate.WORK | Fate.LACK_NODE | Fate.BE_REFUSED:
                return OneItem()
            case never:
                assert_never(never)

    async def open_handler(
        self,
        *,
        shard: int,  # noqa: ARG002 - the protocol's
        budget: Budget,  # noqa: ARG002 - the protocol's
        breaker: BreakerSnapshot | None,  # noqa: ARG002 - the protocol's
    ) -> Handler:
        """Open a worker's side."""
        return Concluder(self.settings.fate)


if __name__ == "__main__":
    main(Standalone, StandaloneSettings)
