"""Find the tables that look like orders, by their names and those of their columns: pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.adoption.columns import Names
from reconciler.adoption.quantities import REMAINING
from reconciler.store.discovery import Relation
from reconciler.store.similar_columns import split_name

_POINTS = {
    "external_order_id": 3,
    "status": 2,
    "symbol": 2,
    "executed_qty": 2,
    "side": 1,
    "qty": 1,
    "avg_price": 1,
    "client_order_id": 1,
    "created_at": 1,
}
_PRICES = frozenset({"price", "limit_price", "order_price"})
_ORDERS = frozenset({"order", "orders"})
_SOMETHING_ELSE = frozenset(
    """
    archive archived audit backup bak book books copy event events execution executions fill fills
    history item items leg legs line lines log logs old position positions queue snapshot snapshots
    temp test tmp trade trades update updates status statuses template templates
    """.split()  # noqa: SIM905 - as in the other lists
)
_OURS = frozenset({"activity_log"})
_OUR_PREFIXES = ("reconciliation_", "reconciler_")

MIN_POINTS = 7
CLEAR_LEAD = 2.0
_VIEW_PENALTY = 1.0


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A table that looks like orders, and how much so."""

    relation: Relation
    points: float

    @property
    def description(self) -> str:
        """What it is, for a person."""
        kind = "view" if self.relation.is_view else "table"
        rows = self.relation.rows
        return kind if not rows else f"{kind}, about {rows:,} rows"


def find_candidates(relations: Iterable[Relation]) -> list[Candidate]:
    """Return the tables that look like orders, the likeliest first."""
    found = [
        Candidate(relation=relation, points=points)
        for relation in relations
        if not _is_ours(relation) and (points := _points(relation)) >= MIN_POINTS
    ]
    return sorted(found, key=lambda one: (-one.points, one.relation.sql_name))


def clear_choice(candidates: list[Candidate]) -> Candidate | None:
    """Return the first if it looks more like orders than all others by far."""
    match candidates:
        case [only]:
            return only
        case [first, second, *_] if first.points - second.points >= CLEAR_LEAD:
            return first
        case _:
            return None


def _is_ours(relation: Relation) -> bool:
    name = relation.table.name
    return name in _OURS or name.startswith(_OUR_PREFIXES)


def _points(relation: Relation) -> float:
    """Count what speaks for it; 0 if it has no status, or neither symbol nor id of an exchange."""
    names = Names.of(relation.columns)
    found = {key for key in _POINTS if names.ranked(key)}
    words = {"_".join(split_name(name)) for name in relation.columns}
    if words & set(REMAINING) or {"volume", "origin_volume"} <= words:
        found.add("executed_qty")
    if any(one in words for one in ("base", "base_asset", "base_currency")):
        found.add("symbol")
    if "status" not in found or not {"symbol", "external_order_id"} & found:
        return 0
    parts = set(split_name(relation.table.name))
    points = float(sum(_POINTS[key] for key in found) + bool(words & _PRICES))
    points += 3 if parts & _ORDERS else 0
    points -= 3 if parts & _SOMETHING_ELSE else 0
    points += 1 if relation.rows else 0
    return points - (_VIEW_PENALTY if relation.is_view else 0)
