"""The changes that a single sweep in a dry run would have made, as a table or for JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reconciler.cli.ui.output import print_table
from reconciler.domain.order import Facts
from reconciler.domain.status import in_both_words
from reconciler.orders.dry_run_notes import DryRunNotes, WouldChange

COLUMNS = ("order", "symbol", "status", "executed_qty", "avg_price", "rule")


@dataclass(frozen=True, kw_only=True, slots=True)
class ProposedChange:
    """A change that a dry run would have made, as text for a person."""

    order_id: str
    symbol: str
    rule: str
    before: dict[str, str | None]
    after: dict[str, str | None]

    @classmethod
    def of(cls, change: WouldChange) -> "ProposedChange":
        """Return a change as text."""
        return cls(
            order_id=str(change.order_id),
            symbol=change.symbol,
            rule=change.rule,
            before=row_as_text(change.before, change.word),
            after=facts_as_text(change.after),
        )


class ProposedChanges:
    """Collects the changes of all batches."""

    def __init__(self) -> None:
        self._changes: list[ProposedChange] = []

    def take(self, notes: DryRunNotes) -> None:
        """Add those of a batch."""
        self._changes += map(ProposedChange.of, notes.changes)

    def for_json(self) -> Sequence[dict[str, Any]]:
        """Return them as the report has them."""
        return [asdict(change) for change in self._changes]

    def print(self) -> None:
        """Print them as a table."""
        rows = [
            (
                change.order_id,
                change.symbol,
                f"{_status_of(change.before)} -> {change.after['status']}",
                f"{change.before['executed_qty']} -> {change.after['executed_qty']}",
                f"{change.before['avg_price'] or '-'} -> {change.after['avg_price'] or '-'}",
                change.rule,
            )
            for change in self._changes
        ]
        print_table(list(COLUMNS), rows, title="What would change (nothing was written)")


def facts_as_text(facts: Facts) -> dict[str, str | None]:
    """Return facts as text, without exponents."""
    return {
        "status": facts.status.value,
        "executed_qty": f"{facts.executed_qty:f}",
        "avg_price": None if facts.avg_price is None else f"{facts.avg_price:f}",
    }


def row_as_text(facts: Facts, word: str | None) -> dict[str, str | None]:
    """Return a row's facts as text, with the status in the user's word if that is not ours."""
    written = {} if word is None else {"status_written": word}
    return {**facts_as_text(facts), **written}


def _status_of(row: Mapping[str, str | None]) -> str:
    return in_both_words(row.get("status_written"), row["status"])
