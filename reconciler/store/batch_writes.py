"""Turn a batch's decisions into the parameters of the write statement."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from reconciler.config_file.statuses import Statuses
from reconciler.domain.decide import Change, Confirm, Hold, Leave, Rule
from reconciler.domain.order import Facts, Order, OrderId
from reconciler.domain.report import Answer
from reconciler.scope import Scope
from reconciler.store import activity
from reconciler.store.array_parameters import SEPARATOR
from reconciler.store.holds import attempts_in_a_row, wait_before_attempt
from reconciler.store.order_ids import ids_literal
from reconciler.store.prepared_statement import array_literal
from reconciler.store.write_result import OrderOutcome
from reconciler.store.write_statement import WritePart


class WrittenFacts(NamedTuple):
    """New facts of a row, and the user's word for their status."""

    facts: Facts
    word: str

    @classmethod
    def of(cls, facts: Facts, statuses: Statuses, *, former: str | None) -> "WrittenFacts":
        """Return facts with their word; `former` is the row's own so far, None if it is ours."""
        if former is None:
            return cls(facts, facts.status)
        return cls(facts, statuses.word_for(facts.status, facts.executed_qty, former=former))


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchWrites:
    """The writes for a batch's decisions.

    Attributes:
        changed: Rows that get new facts: id, facts with the word for the status, log entry, when
            the exchange was asked.
        confirmed: Rows that are still right: id, when the exchange was asked.
        held: Orders that go on hold, or stay there: order, hold, wait until the next attempt,
            answer.
        released: Ids, as text, of orders whose hold ends.
        with_side_table: The sync times are written into the side table.
    """

    changed: list[tuple[OrderId, WrittenFacts, bytes, datetime]]
    confirmed: list[tuple[OrderId, datetime]]
    held: list[tuple[Order, Hold, timedelta, Answer]]
    released: list[str]
    with_side_table: bool = False
    statuses: Statuses = field(default_factory=Statuses)

    @property
    def counts(self) -> dict[WritePart, int]:
        """The number of rows that each counted part is to write; parts without rows are left out.

        Released holds are not counted: another session may have ended them meanwhile.
        """
        counts = {
            WritePart.CHANGED: len(self.changed),
            WritePart.LOGGED: len(self.changed),
            WritePart.CONFIRMED: 0 if self.with_side_table else len(self.confirmed),
            WritePart.SYNCED: self._sync_times if self.with_side_table else 0,
            WritePart.HELD: len(self.held),
        }
        return {part: count for part, count in counts.items() if count}

    @property
    def _sync_times(self) -> int:
        """The number of rows of the side table: an order that ends loses its own."""
        still_open = sum(not to.facts.status.is_terminal for _, to, _, _ in self.changed)
        return len(self.confirmed) + still_open

    @property
    def parts(self) -> frozenset[WritePart]:
        """The parts of the write statement that have anything to write."""
        released = {WritePart.RELEASED} if self.released else set[WritePart]()
        return frozenset(self.counts) | released

    @classmethod
    def of(
        cls,
        outcomes: Iterable[OrderOutcome],
        answers: Mapping[OrderId, Answer],
        *,
        exchange: str,
        scope: Scope,
        by: str | None,
        with_side_table: bool,
        statuses: Statuses,
        logs_qty: bool = False,
    ) -> "BatchWrites":
        """Sort decisions by what is written for each.

        `by` is the person who decided, if any; `logs_qty` puts the row's `qty` into log entries.
        """
        batch = cls(
            changed=[],
            confirmed=[],
            held=[],
            released=[],
            with_side_table=with_side_table,
            statuses=statuses,
        )
        for outcome in outcomes:
            answer = answers[outcome.order.id]
            batch._add(outcome, answer, exchange=exchange, scope=scope, by=by, logs_qty=logs_qty)
        return batch

    def _add(
        self,
        outcome: OrderOutcome,
        answer: Answer,
        *,
        exchange: str,
        scope: Scope,
        by: str | None,
        logs_qty: bool,
    ) -> None:
        order = outcome.order
        match outcome.decision:
            case Change(to=to, rule=rule):
                written = WrittenFacts.of(to, self.statuses, former=order.word)
                entry = activity.details_json(
                    before=order.facts,
                    after=to,
                    words=None if order.word is None else (order.word, written.word),
                    exchange=exchange,
                    scope=scope,
                    rule=rule,
                    report=answer,
                    created_at=order.created_at if rule is Rule.ARCHIVED else None,
                    qty=order.qty if logs_qty else None,
                    by=by,
                )
                self.changed.append((order.id, written, entry, answer.fetched_at))
                self._release(outcome)
            case Confirm():
                self.confirmed.append((order.id, answer.fetched_at))
                self._release(outcome)
            case Hold(reason=reason) as hold:
                attempts = 1 + attempts_in_a_row(outcome.hold, reason)
                self.held.append((order, hold, wait_before_attempt(attempts), answer))
            case Leave():
                pass

    def _release(self, outcome: OrderOutcome) -> None:
        if outcome.hold is not None:
            self.released.append(str(outcome.order.id))

    def parameters(self) -> dict[str, object]:
        """Return the arrays that the write statement unnests."""
        return {
            **change_parameters([(to, entry) for _, to, entry, _ in self.changed]),
            "changed_ids": ids_literal([id_ for id_, _, _, _ in self.changed]),
            "changed_as_of": array_literal(
                moment_text(asked_at) for _, _, _, asked_at in self.changed
            ),
            "confirmed_ids": ids_literal([id_ for id_, _ in self.confirmed]),
            "confirmed_as_of": array_literal(
                moment_text(asked_at) for _, asked_at in self.confirmed
            ),
            "held_ids": [str(order.id) for order, _, _, _ in self.held],
            "held_symbols": [order.row_symbol for order, _, _, _ in self.held],
            "held_external_ids": [order.external_order_id for order, _, _, _ in self.held],
            "reasons": [hold.reason.value for _, hold, _, _ in self.held],
            "hold_details": [hold.detail for _, hold, _, _ in self.held],
            "waits": [wait for _, _, wait, _ in self.held],
            "held_facts": SEPARATOR.join(
                activity.order_json(order) for order, _, _, _ in self.held
            ).decode(),
            "held_reports": SEPARATOR.join(
                activity.report_json(answer) for _, _, _, answer in self.held
            ).decode(),
            "released_ids": self.released,
        }


def change_parameters(changes: Sequence[tuple[WrittenFacts, bytes]]) -> dict[str, object]:
    """Return the parameters of `change_columns`; a change is new facts and log entry."""
    facts = [written.facts for written, _ in changes]
    return {
        "statuses": array_literal([to.status for to in facts]),
        "quantities": array_literal([str(to.executed_qty) for to in facts]),
        "prices": array_literal([price_text(to.avg_price) for to in facts]),
        "words": [written.word for written, _ in changes],
        "details": SEPARATOR.join([entry for _, entry in changes]).decode(),
    }


@lru_cache(maxsize=256)
def moment_text(moment: datetime) -> str:
    """Return a time as an array has it. Cached: one request answers for many rows."""
    return f'"{moment.isoformat()}"'


def price_text(price: Decimal | None) -> str:
    """Return an average price as an array has it."""
    return "NULL" if price is None else str(price)
