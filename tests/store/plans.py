"""The plans by which PostgreSQL runs the statements that the store sends."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

from reconciler.store.database import Database

INDEX_SCANS = frozenset({"Index Scan", "Index Only Scan"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of one statement, from EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)."""

    root: dict[str, Any]

    @property
    def nodes(self) -> list[dict[str, Any]]:
        return list(_walk(self.root))

    @property
    def shape(self) -> list[tuple[str, str, str]]:
        """Each node with the table and the index that it reads: equal for equal plans."""
        return [
            (node["Node Type"], node.get("Relation Name", ""), node.get("Index Name", ""))
            for node in self.nodes
        ]

    @property
    def blocks(self) -> int:
        """The number of blocks read, from memory or not."""
        blocks: int = self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"]
        return blocks

    def scans_of(self, table: str) -> list[tuple[str, str]]:
        """Return each scan of the table, with its index."""
        return [(kind, index) for kind, relation, index in self.shape if relation == table]


def explained(database: Database, action: Callable[[Connection], object]) -> Plan:
    """Return the plan of the last query that `action` sends: the same text and parameters.

    The query runs twice, explained and as sent, so it must not write.
    """
    plans: list[dict[str, Any]] = []

    def explain(
        connection: Connection, _cursor: object, statement: str, parameters: Any, *_: object
    ) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            cursor = connection.connection.cursor()
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            ((answers,),) = cursor.fetchall()
            plans.append(answers[0]["Plan"])

    with database.transaction() as connection:
        event.listen(connection, "before_cursor_execute", explain)
        action(connection)
    return Plan(root=plans[-1])


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)
