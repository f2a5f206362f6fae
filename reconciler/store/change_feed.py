"""Follow the activity log: each change once, also if transactions commit in another order.

An entry gets its id when it is inserted, and is seen when its transaction commits: so one with a
smaller id may appear after one with a larger id. A follower that only remembers the largest id
loses it. This one knows which transactions are still writing: each has a lock on the log from
before its first id until its commit can be seen, and `pg_locks` shows it to every role. Each poll

    1. reads the newest id,
    2. then the transactions that are writing now,
    3. then the entries after the safe horizon.

Where no transaction was writing in step 2, the next horizon is the id of step 1: a transaction that
began to write later has larger ids. Else it stays at the newest id of the last poll at which the
oldest of these transactions was not writing yet. What has been seen after the horizon is
remembered.

While a transaction writes for long, step 3 finds the same entries in each poll. So it reads only
which they are, and then the rest of those that are new.

Where the log has uuids, the time of an entry takes the place of its id. That is when its
transaction began, so the horizon stays UNORDERED_SECONDS behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    Uuid,
    any_,
    func,
    literal,
    select,
    text,
    type_coerce,
)

from reconciler.scope import Scope
from reconciler.store.activity_ids import has_uuids
from reconciler.store.changes import (
    IS_CHANGE,
    ActivityId,
    ChangeFilter,
    LoggedChange,
    is_of_scope,
)
from reconciler.store.prepared_statement import fetch_tuples
from reconciler.store.tables import activity_log

FIRST_OVERLAP = 10_000
"""How far before the newest id a transaction can have begun that writes when the feed begins."""

UNORDERED_SECONDS = 60

Position = Any
"""An id; or, where ids have no order, a time."""


@dataclass(kw_only=True)
class Horizon:
    """Which entries have been seen for certain. Pure.

    Attributes:
        safe: All entries up to here have been seen.
        newest: The newest position at the last poll.
        writing: The transactions that were writing at the last poll, each with a position that is
            before all its entries.
        seen: The entries after `safe` that have been seen, each with its position.
    """

    safe: Position
    newest: Position
    writing: dict[str, Position] = field(default_factory=dict)
    seen: dict[ActivityId, Position] = field(default_factory=dict)

    def is_new(self, entry: ActivityId) -> bool:
        """Return True if the entry has not been seen."""
        return entry not in self.seen

    def advance(
        self, newest: Position, writing: Iterable[str], entries: Mapping[ActivityId, Position]
    ) -> None:
        """Take what a poll has found: the newest position, who was writing, and the entries."""
        self.writing = {one: self.writing.get(one, self.newest) for one in writing}
        self.newest = newest
        self.safe = min((newest, *self.writing.values()))
        self.seen |= entries
        self.seen = {entry: at for entry, at in self.seen.items() if at > self.safe}


class ChangeFeed:
    """Returns each new change once. The connections that it is given are in autocommit."""

    def __init__(self, connection: Connection, scope: Scope, change_filter: ChangeFilter) -> None:
        """Begin to follow: what is in the log now is not new."""
        self._scope = scope
        self._filter = change_filter
        self._is_unordered = has_uuids(connection)
        newest, writing = self._newest(connection), _read_writing(connection)
        self._horizon: Horizon = Horizon(safe=newest, newest=newest)
        if writing and not self._is_unordered:
            self._horizon.safe = self._horizon.newest = newest - FIRST_OVERLAP
        self._horizon.advance(newest, writing, self._read_places(connection))

    def mark_seen(self, changes: Iterable[LoggedChange]) -> None:
        """Take changes that were read in another way for seen."""
        self._horizon.seen |= {
            one.id: self._place(one) for one in changes if self._place(one) > self._horizon.safe
        }

    def poll(self, connection: Connection) -> Sequence[LoggedChange]:
        """Return the changes that have been committed since the last poll."""
        newest = self._newest(connection)
        writing = _read_writing(connection)
        places = self._read_places(connection)
        fresh = self._read_changes(connection, [id_ for id_ in places if self._horizon.is_new(id_)])
        self._horizon.advance(newest, writing, places)
        return fresh

    def _place(self, change: LoggedChange) -> Position:
        return change.created_at if self._is_unordered else change.id

    @property
    def _place_column(self) -> ColumnElement[Any]:
        return activity_log.c.created_at if self._is_unordered else activity_log.c.id

    def _newest(self, connection: Connection) -> Position:
        if self._is_unordered:
            behind = func.clock_timestamp() - timedelta(seconds=UNORDERED_SECONDS)
            return connection.execute(select(behind)).scalar_one()
        statement = select(func.coalesce(func.max(activity_log.c.id), 0))
        return connection.execute(statement).scalar_one()

    def _read_places(self, connection: Connection) -> Mapping[ActivityId, Position]:
        """Read which changes come after the horizon."""
        place = self._place_column
        statement = select(activity_log.c.id, place).where(
            *self._conditions, place > self._horizon.safe
        )
        return dict(fetch_tuples(connection.execute(statement)))

    def _read_changes(
        self, connection: Connection, ids: Sequence[ActivityId]
    ) -> Sequence[LoggedChange]:
        """Read changes, the oldest first."""
        if not ids:
            return ()
        log = activity_log.c
        kind = Uuid() if self._is_unordered else BigInteger()
        statement = (
            select(log.id, log.order_id, log.details, log.created_at)
            .where(*self._conditions, type_coerce(log.id, kind) == any_(literal(ids, ARRAY(kind))))
            .order_by(self._place_column, log.id)
        )
        return [LoggedChange(**row) for row in connection.execute(statement).mappings()]

    @property
    def _conditions(self) -> Sequence[ColumnElement[bool]]:
        details = activity_log.c.details
        return (
            IS_CHANGE,
            is_of_scope(self._scope, details),
            *self._filter.conditions_on(details),
        )


_WRITING = text(
    """
    SELECT DISTINCT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
        AND relation = to_regclass('activity_log')
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
)


def _read_writing(connection: Connection) -> Sequence[str]:
    return connection.execute(_WRITING).scalars().all()
