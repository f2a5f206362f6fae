"""The rows that made the verdict, in Graphite's language: those that are bad now, the cause first.

The order is that of `reconciler health`: a row that often causes others before all others, the
others by their grades. Graphite keeps the order of a panel's targets, and of the series in a
`group`. There are several targets, since Graphite parses a deep expression slowly, or refuses it.
"""

from collections.abc import Iterable, Iterator

from reconciler.telemetry.health import CAUSES, Slug
from scripts.dashboard.verdict_rows import LEGENDS, NO_DATA, NONE_IS_BAD, SYMPTOMS

_CRITICAL, _NO_DATA = 2, 3
"""Grades. A row that is unknown is 3 as well, which is no reason."""

_WORDS = {0: "healthy", 1: "WARNING", _CRITICAL: "CRITICAL", _NO_DATA: "NO DATA"}


class RowExpressions:
    """The expressions of the rows, whose paths end with their slugs."""

    def __init__(self, paths: str, missing_flushes: int) -> None:
        """`paths` is the path of all rows, with `*` for the row."""
        self._paths = paths
        self._missing = missing_flushes

    def nothing_arrives(self) -> str:
        """Return the target that is 3 where no row arrives, if that is so now.

        Each supervisor sends the row about itself.
        """
        own = self._paths.replace("*", Slug.SUPERVISOR)
        kept = f"transformNull(keepLastValue({own},{self._missing}),{_NO_DATA})"
        always = f"fallbackSeries({kept},constantLine({_NO_DATA}))"
        missing = f"currentAbove({always},{_CRITICAL})"
        return f"alias(removeBelowValue({missing},{_NO_DATA}),'{NO_DATA}')"

    def bad_now(self) -> Iterator[str]:
        """Yield the targets of what is bad now, in order: causes, symptoms."""
        yield self._named(self._now_above_0(CAUSES))
        yield self._named(f"sortBy({self._now_above_0(SYMPTOMS)},'last',true)")

    def bad_earlier(self) -> str:
        """Return the target of the rows that are not bad now and were."""
        bad = f"maximumAbove({self._known(Slug)},0)"
        return self._named(f"removeBelowValue(currentBelow({bad},0),0)")

    def none_is_bad(self) -> str:
        """Return the target of a line at 0, if rows arrive and none is bad."""
        worst = f"maxSeries({self._known([Slug.SUPERVISOR])},{self._known(Slug)})"
        return f"alias(filterSeries({worst},'last','=',0),'{NONE_IS_BAD}')"

    def _now_above_0(self, slugs: Iterable[Slug]) -> str:
        return f"removeBelowValue(currentAbove({self._known(slugs)},0),0)"

    def _known(self, slugs: Iterable[Slug]) -> str:
        """Return the grades, and -1 where none is known: the last value has to be that of now."""
        paths = ",".join(
            f"alias({self._paths.replace('*', slug)},'<{LEGENDS[slug]}>')" for slug in slugs
        )
        kept = f"keepLastValue(group({paths}),{self._missing})"
        return f"consolidateBy(transformNull(removeAboveValue({kept},{_CRITICAL}),-1),'max')"

    @staticmethod
    def _named(series: str) -> str:
        """Leave of each name, which has the functions in it, what is in angle brackets."""
        return rf"aliasSub({series},'^.*<(.*)>.*$','\1')"


def with_grade_in_words(series: str) -> str:
    """Add the last grade of series to their names, in words."""
    named = f"legendValue({series},'last')"
    for grade, word in _WORDS.items():
        named = f"aliasSub({named},' [(]last: {grade}.*',' - {word}')"
    return named


def grade_as_legend(series: str) -> str:
    """Return a target that draws nothing; in the legend it says the last grade of a series."""
    named = f"removeAboveValue(legendValue({series},'last'),-1)"
    for grade, word in (_WORDS | {_NO_DATA: "UNKNOWN"}).items():
        named = f"aliasSub({named},'^.*last: {grade}.*','now: {word}')"
    return named
