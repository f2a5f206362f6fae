"""Walk through a list page by page. What its pages say counts once the walk has ended well.

A page that fails voids the walk: the list may have been cut, or may not be what it says it is, so
nothing of its earlier pages counts either. A walk that we end early, because the rest is not worth
its price, ends well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.domain import value
from reconciler.domain.report import Absent, Answer, Report
from reconciler.errors import Malformed
from reconciler.exchanges.base import Failure, OrderRef
from reconciler.exchanges.query_plan.queries import ListEndedOrders, ListOpenOrders
from reconciler.exchanges.query_result import QueryResult

ListQuery = ListOpenOrders | ListEndedOrders

MAX_PAGES = 500
"""A list with more pages is taken for endless."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Traversal:
    """A walk through one list.

    Attributes:
        query: Asks for the next page.
        wanted: The orders for which the list is read, without those that it leaves to look-ups.
        answers, failures: What the pages so far said about them.
        cursors: The cursors of all pages so far.
        pages: How many pages were read.
        listed: The number of orders on them, ours or not.
        found_on_last: How many wanted orders the last page added.
        is_complete: True if the last page had no cursor, so that the list has no more.
    """

    query: ListQuery
    wanted: frozenset[OrderRef]
    answers: Mapping[OrderRef, Answer] = field(default_factory=dict)
    failures: Mapping[OrderRef, Failure] = field(default_factory=dict)
    cursors: frozenset[str | None] = frozenset()
    pages: int = 0
    listed: int = 0
    found_on_last: int = 0
    is_complete: bool = False

    @property
    def missing(self) -> frozenset[OrderRef]:
        """The wanted orders that no page has shown."""
        return self.wanted - self.answers.keys() - self.failures.keys()

    @property
    def found(self) -> int:
        """How many wanted orders the pages have shown."""
        return len(self.wanted) - len(self.missing)

    def after_page(self, result: QueryResult) -> "Traversal":
        """Return the walk after a page that did not fail.

        An order that the page shows otherwise than an earlier one is not wanted from this list any
        more: it changed meanwhile, and moved on to this page. Its own look-up tells.

        Raises:
            Malformed: the list does not end.
        """
        wanted = self.wanted - result.lookup_only - self._contradicted_by(result)
        answers = {ref: answer for ref, answer in self.answers.items() if ref in wanted}
        failures = {ref: failure for ref, failure in self.failures.items() if ref in wanted}
        failures |= {ref: failure for ref, failure in result.failures.items() if ref in wanted}
        answers |= {
            ref: answer
            for ref, answer in result.answers.items()
            if ref in wanted and not isinstance(answer, Absent)
        }
        for ref in failures:
            answers.pop(ref, None)
        after = replace(
            self,
            query=replace(self.query, cursor=result.next_cursor),
            wanted=wanted,
            answers=answers,
            failures=failures,
            cursors=self.cursors | {self._next_cursor(result)},
            pages=self.pages + 1,
            listed=self.listed + result.listed,
            is_complete=result.next_cursor is None,
        )
        return replace(after, found_on_last=max(0, after.found - self.found))

    def _contradicted_by(self, result: QueryResult) -> frozenset[OrderRef]:
        return frozenset(
            ref
            for ref, answer in result.answers.items()
            if ref in self.answers
            and not isinstance(answer, Absent)
            and not _is_same(self.answers[ref], answer)
        )

    def _next_cursor(self, result: QueryResult) -> str | None:
        """Return the cursor of the next page.

        Raises:
            Malformed: the list does not end.
        """
        cursor = result.next_cursor
        if cursor is not None and cursor in self.cursors:
            raise Malformed("a list does not end: a page leads back to one before it")
        if cursor is not None and self.pages + 1 >= MAX_PAGES:
            raise Malformed(f"a list does not end: it goes on after {MAX_PAGES} pages")
        return cursor


def _is_same(one: Answer, other: Answer) -> bool:
    """Return True if both say the same, whenever they were fetched and the order last changed."""
    if isinstance(one, Report) and isinstance(other, Report):
        one = value.replace(one, changed_at=other.changed_at)
    return value.replace(one, fetched_at=other.fetched_at) == other
