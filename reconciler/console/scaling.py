"""Change the number of shards of the running supervisor: what was planned, what was done, by whom.

The latest changes are kept, so that the page can show one and be loaded again without another one.
"""

import itertools
import socket
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from reconciler.console.database_pool import DatabasePool
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.errors import ConfigurationError, NoSupervisor, ReconcilerError
from reconciler.settings import Settings
from reconciler.store.shared_state import record_scaling
from reconciler.supervisor.sharding import Scaling

MOST_KEPT = 20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    """A change of the number of shards that a supervisor has taken.

    Attributes:
        planned_from: The number of shards from which the plan started that the person saw.
        unrecorded: Why the database has no record of who did it; None if it has.
    """

    number: int
    scaling: Scaling
    planned_from: int | None
    by: str
    at: datetime
    unrecorded: str | None


class NotScaled(ReconcilerError):
    """The supervisor has refused another number of shards, or not answered; says why."""

    def __init__(self, what: str, *, is_refusal: bool = False) -> None:
        self.what = what
        self.is_refusal = is_refusal
        super().__init__(what)


class Scalings:
    """The latest changes."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._kept: dict[int, Scaled] = {}

    def find(self, number: int | None) -> Scaled | None:
        """Return a change; None if there is none with this number any more."""
        return None if number is None else self._kept.get(number)

    def scale(
        self,
        settings: Settings,
        databases: DatabasePool,
        *,
        shards: int,
        planned_from: int | None,
        by: str,
    ) -> Scaled:
        """Ask the supervisor for another number of shards, and record who did.

        Raises:
            NotScaled: it has refused, or not answered.
        """
        scaling = _ask(settings, shards)
        _log.warning("console.scaled", by=by, before=scaling.before, after=scaling.after)
        scaled = Scaled(
            number=next(self._numbers),
            scaling=scaling,
            planned_from=planned_from,
            by=by,
            at=datetime.now(UTC),
            unrecorded=_record(settings, databases, scaling, by),
        )
        self._kept[scaled.number] = scaled
        for old in list(self._kept)[:-MOST_KEPT]:
            del self._kept[old]
        return scaled


def _ask(settings: Settings, shards: int) -> Scaling:
    try:
        return ask_supervisor(settings, "scale", Scaling, shards=shards)
    except ConfigurationError as error:
        what = "; ".join(f"{one.what}: {one.hint}" for one in error.problems)
        refused = f"Nothing was changed, the supervisor refuses it: {what}."
        raise NotScaled(refused, is_refusal=True) from None
    except NoSupervisor as error:
        if error.was_asked:
            what = "It is not known whether the supervisor has taken it"
            raise NotScaled(f"{what}: {error}. The number of shards is below.") from None
        raise NotScaled(f"Nothing was changed: {error}.") from None


def _record(settings: Settings, databases: DatabasePool, scaling: Scaling, by: str) -> str | None:
    try:
        with databases.writing() as database, database.transaction() as connection:
            record_scaling(
                connection,
                settings.scope,
                host=socket.gethostname(),
                before=scaling.before,
                after=scaling.after,
                by=by,
            )
    except ReconcilerError as error:
        return str(error)
    return None
