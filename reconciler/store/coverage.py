"""Which rows of the user's table are followed, and what a person must know of the others: pure.

An order is followed if its status is a word for open, ours or the configuration file's, and it has
an external id. Other rows that look open are left alone, so a person must be told.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.config_file.document import dotted
from reconciler.config_file.statuses import OPEN_MEANING
from reconciler.domain.status import Status
from reconciler.errors import Problem

MAX_WORDS = 8
MAX_WORD_LENGTH = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """The rows of `orders`, by whether they are followed.

    Attributes:
        rows: The rows that were read.
        followed: Open by our words, with an external id.
        without_id: Open by our words, with no external id or an empty one.
        likely_open: The number of rows by status, for words that look open and are none of ours.
        unknown: The number of rows by status, for words of which nothing is known.
        has_our_words: Any row has a status that we know, open or ended.
        is_estimate: The table is too large to be counted.
        left_out: The number of rows by status, for statuses that the configuration file leaves out
            although it has others.
        id_column: The column with the exchange's ids.
        followed_words: The number of followed rows by the user's word and ours, `LIVE (open)`;
            empty if the words are our own.
    """

    rows: int
    followed: int
    without_id: int
    likely_open: Mapping[str, int]
    unknown: Mapping[str, int]
    has_our_words: bool
    is_estimate: bool
    left_out: Mapping[str, int] = field(default_factory=dict)
    followed_words: Mapping[str, int] = field(default_factory=dict)
    id_column: str = "external_order_id"

    @property
    def open_by_our_words(self) -> int:
        """Rows that are open by our words."""
        return self.followed + self.without_id

    @property
    def look_open(self) -> int:
        """Rows that look open, by our words or by others."""
        return self.open_by_our_words + sum(self.likely_open.values())

    @property
    def not_followed(self) -> int:
        """Rows that look open, or that nobody has said a meaning of, and are not followed."""
        return self.look_open - self.followed + sum(self.left_out.values())

    @property
    def has_only_unknown_words(self) -> bool:
        """True if there are rows, and none of them has a status that we know, open or ended."""
        return self.rows > 0 and not self.has_our_words and not self.left_out

    @property
    def has_unknown_words(self) -> bool:
        """True if orders are left alone because of their status words."""
        return bool(self.likely_open) or bool(self.left_out) or self.has_only_unknown_words

    @property
    def lacks_most_ids(self) -> bool:
        """True if most open orders have no external id. At any time a few do not have one yet."""
        return self.without_id > self.followed

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for a person: the rows that look open and are not followed."""
        remarks = (self.remark_on_left_out, self.remark_on_words, self.remark_on_ids)
        return tuple(remark for remark in remarks if remark is not None)

    @property
    def remark_on_left_out(self) -> str | None:
        """The remark on rows whose status the configuration file does not have."""
        if not self.left_out:
            return None
        rows = _number(sum(self.left_out.values()), "row has", "rows have")
        return (
            f"{self._about_prefix}{rows} a status that [orders.statuses] leaves out:"
            f" {describe_words(self.left_out)}"
        )

    @property
    def left_out_problem(self) -> Problem | None:
        """The problem of statuses that the file leaves out: only their owner knows the meaning."""
        if (what := self.remark_on_left_out) is None:
            return None
        most = Counter(self.left_out).most_common(MAX_WORDS)
        lines = "; ".join(f"{dotted((word,))} = ..." for word, _ in most)
        return Problem(
            what=what,
            hint=f"say in [orders.statuses] of reconciler.toml what each means: {lines}"
            f" ({OPEN_MEANING}, {', '.join(Status)})",
        )

    @property
    def remark_on_words(self) -> str | None:
        """The remark on rows that are not followed because of their status."""
        if self.likely_open:
            then = ": " if not self.open_by_our_words else "; not followed: "
            return (
                f"{self._about_prefix}{_number(self.look_open, 'row looks', 'rows look')} open,"
                f" {self.open_by_our_words:,} by our words{then}{describe_words(self.likely_open)}"
            )
        if self.has_only_unknown_words:
            return f"no row has a status of our words: {describe_words(self.unknown)}"
        return None

    @property
    def remark_on_ids(self) -> str | None:
        """The remark on rows that are not followed because they have no external id."""
        if not self.without_id:
            return None
        rows = _number(self.without_id, "open row has", "open rows have")
        verb = "is" if self.without_id == 1 else "are"
        return f"{self._about_prefix}{rows} no {self.id_column} and {verb} not followed"

    @property
    def _about_prefix(self) -> str:
        return "about " if self.is_estimate else ""


def describe_words(words: Mapping[str, int]) -> str:
    """Return words with their numbers of rows, the most frequent first."""
    most = Counter(words).most_common()
    described = [f"{_quoted(word)} {count:,}" for word, count in most[:MAX_WORDS]]
    left = len(most) - len(described)
    return ", ".join([*described, f"and {left:,} more"] if left else described)


def _number(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def describe_followed(found: Coverage) -> str:
    """Return the number of followed orders; for words of the user, each with ours."""
    about = "about " if found.is_estimate else ""
    by_word = sorted(found.followed_words.items(), key=lambda one: (-one[1], one[0]))
    words = ", ".join(f"{word} {count:,}" for word, count in by_word)
    return f"{about}{found.followed:,} followed{f': {words}' if words else ''}"


def _quoted(word: str) -> str:
    """Return a status for a message: in quotes if it has blanks or the like."""
    short = word if len(word) <= MAX_WORD_LENGTH else f"{word[:MAX_WORD_LENGTH]}..."
    return short if short.isidentifier() else repr(short)
