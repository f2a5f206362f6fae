"""A proposal while it is made: what is known, why, and what only a person can say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.config_file.orders import COLUMN_KEYS, Columns, FollowingColumn, OrdersConfig
from reconciler.config_file.shared_columns import names_in
from reconciler.config_file.sql_text import TableName
from reconciler.config_file.statuses import Statuses
from reconciler.config_file.symbols import Symbols

Place = tuple[str, ...]
"""Where something stands in the file, below `[orders]`: `("columns", "created_at", "unit")`."""

LEAVE_OUT = "leave out"
"""The answer for what is not to be in the file."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What the database does not say.

    Attributes:
        place: Where the answer goes.
        what: The question, for a person.
        choices: The answers that are allowed; empty if any text is.
        default: The answer that does no harm; None if no answer is safe, and one must be given.
        comment: What the file says above that line.
        blank: The line for the file with empty quotes where the answer belongs.
        is_for_file: The answer needs more than a word, so it can only be given in the file.
    """

    place: Place
    what: str
    choices: tuple[str, ...] = ()
    default: str | None = None
    comment: str = ""
    blank: str = ""
    is_for_file: bool = False

    @property
    def must_be_answered(self) -> bool:
        """True if there is no safe guess."""
        return self.default is None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a configuration file could say of a table.

    Attributes:
        columns: Our names, and where each is in the table; only what the file is to name.
        reasons: Why, by place, for a comment.
        notes: What is not in the file and why, by section, for comments.
        assumptions: What is likely and has to be checked, each one sentence.
        questions: Those that have no answer yet.
    """

    table: TableName
    where: str | None
    columns: Mapping[str, Any]
    statuses: Statuses
    also_write: tuple[FollowingColumn, ...]
    symbols: Symbols
    reasons: Mapping[Place, str]
    notes: Mapping[str, Sequence[str]]
    assumptions: Sequence[str]
    questions: Sequence[Question]

    @property
    def open_questions(self) -> list[Question]:
        """The questions to which no answer is safe."""
        return [question for question in self.questions if question.must_be_answered]

    @property
    def config(self) -> OrdersConfig:
        """The proposal as the file is read. Of no use while a question must be answered."""
        return OrdersConfig(
            table=self.table,
            where=self.where,
            columns=Columns(**self.columns, named=frozenset(self.columns)),
            statuses=self.statuses,
            also_write=self.also_write,
            symbols=self.symbols,
        )


@dataclass(kw_only=True)
class Draft:
    """Collects a proposal. `answers` are those that a person gave, by place."""

    answers: Mapping[Place, str]
    columns: dict[str, Any] = field(default_factory=dict)
    reasons: dict[Place, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)

    def ask(self, question: Question) -> str | None:
        """Return the answer, or else the default; the question is then still open."""
        answer = self.answers.get(question.place)
        if answer is not None:
            return answer
        self.questions.append(question)
        return question.default

    def use(self, key: str, column: object, reason: str) -> None:
        """Use a column of the table for one of ours."""
        self.columns[key] = column
        if reason:
            self.reasons["columns", key] = reason

    def unused(self, names: Iterable[str]) -> list[str]:
        """Return the columns that are used for none of ours yet, and that no answer names."""
        used = {name for column in self.columns.values() for name, _ in names_in(column)}
        used |= {self.answers.get(("columns", key), "") for key in COLUMN_KEYS}
        return [name for name in names if name not in used]

    def note(self, section: str, text: str) -> None:
        """Add a comment at the end of a section."""
        self.notes.setdefault(section, []).append(text)

    def assume(self, place: Place, text: str) -> None:
        """Add a reason that has to be checked by a person."""
        self.reasons[place] = text
        self.assumptions.append(text)
