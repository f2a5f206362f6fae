"""What `reconciler init` found, for a person and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rich.text import Text

from reconciler.adoption.draft import Proposal
from reconciler.adoption.tables import Candidate
from reconciler.adoption.toml_text import column_text
from reconciler.cli.ui.output import console, print_table
from reconciler.config_file.orders import COLUMN_KEYS
from reconciler.errors import Problem
from reconciler.store.first_cycle import FirstCycle, Followed
from reconciler.store.open_index import OPEN_INDEX, IndexState
from reconciler.store.user_table import UserTable, quoted_name

MAX_SYMBOLS = 5


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What the first cycle would do; or why there cannot be one yet.

    `confirm` says what a confirm will cost.
    """

    cycle: FirstCycle | None = None
    confirm: str = ""
    table: UserTable | None = None
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """A finished proposal: of which table, its text, and the file that it was written to."""

    candidates: Sequence[Candidate]
    proposal: Proposal
    text: str
    file: Path
    unanswered: Sequence[Problem] = ()
    preview: Preview | None = None

    @property
    def problems(self) -> Sequence[Problem]:
        """What a person has to do before the file can be used."""
        return [*self.unanswered, *(self.preview.problems if self.preview else ())]


def print_adoption(adoption: Adoption) -> None:
    """Print what goes where, what to check, the file, and what the first cycle would do."""
    proposal = adoption.proposal
    _print_line("orders are in ", quoted_name(proposal.table))
    if proposal.where:
        _print_line("only rows with ", proposal.where)
    print_table(["ours", "yours", "why"], list(_columns(proposal)))
    cycle = adoption.preview.cycle if adoption.preview else None
    if cycle is None and proposal.statuses.meanings:
        print_table(["your status", "means"], list(_statuses(proposal)))
    for status, word in proposal.statuses.chosen.items():
        _print_line(f"{status} is written as ", word)
    for assumption in proposal.assumptions:
        _print_line("to check: ", assumption, lead="bold yellow", rest="")
    _print_line("written: ", str(adoption.file))
    if adoption.preview is not None and cycle is not None:
        _print_cycle(cycle, adoption.preview)


def _print_line(first: str, second: str, *, lead: str = "", rest: str = "bold") -> None:
    console().print(Text.assemble((first, lead), (second, rest)), soft_wrap=True)


def _print_cycle(cycle: FirstCycle, preview: Preview) -> None:
    about = "about " if cycle.is_estimate else ""
    print_table(
        ["your status", "means", "rows", "in the first cycle"],
        [
            (
                "(null)" if group.status is None else group.status,
                group.meaning,
                group.rows,
                _followed(group.followed),
            )
            for group in cycle.groups
        ],
        title="what the first cycle would do"
        + (" (estimated from a sample)" if cycle.is_estimate else ""),
    )
    followed = cycle.rows(Followed.FOLLOWED)
    rows = "row" if followed == 1 else "rows"
    _print_line("followed: ", f"{about}{followed:,} {rows}; not followed: {cycle.not_followed:,}")
    for name, text in _facts(cycle, preview):
        _print_line(f"{name}: ", text, rest="")
    _print_line(
        "next: ", "reconciler db upgrade; reconciler check; reconciler run --once --dry-run"
    )


def _followed(followed: Followed) -> Text:
    match followed:
        case Followed.FOLLOWED:
            return Text("followed", style="green")
        case Followed.ENDED:
            return Text("not followed: ended", style="dim")
        case _:
            return Text(f"not followed: {followed.value}", style="yellow")


def _facts(cycle: FirstCycle, preview: Preview) -> Iterator[tuple[str, str]]:
    """Yield what there is to know of symbols, index and confirms."""
    if cycle.symbols:
        shown = islice(cycle.symbols.items(), MAX_SYMBOLS)
        left = len(cycle.symbols) - MAX_SYMBOLS
        more = f", and {left:,} more" if left > 0 else ""
        named = ", ".join(f"{stored} is {name or '(no name)'}" for stored, name in shown)
        yield "symbols", f"{named}{more}"
    unnamed = [stored for stored, name in cycle.symbols.items() if not name]
    if unnamed:
        yield "symbols without a name", ", ".join(unnamed[:MAX_SYMBOLS])
    yield "index", _index(cycle, preview)
    yield "confirms", preview.confirm


def _index(cycle: FirstCycle, preview: Preview) -> str:
    match cycle.index_state:
        case IndexState.READY:
            return f"{OPEN_INDEX} is there"
        case IndexState.REPLACED:
            return f"{cycle.index}, which is there, finds the open orders"
        case IndexState.OF_VIEW:
            scans = [line.strip(" ->") for line in cycle.plan if "Scan" in line]
            return f"a view has none of its own; PostgreSQL plans: {'; '.join(scans)}"
        case _:
            columns = preview.table.index_columns if preview.table else ""
            return f"db upgrade will build {OPEN_INDEX} {columns}, without blocking writes"


def _columns(proposal: Proposal) -> Iterator[tuple[str, str, str]]:
    for key in COLUMN_KEYS:
        if key in proposal.columns:
            reason = proposal.reasons.get(("columns", key), "")
            yield key, column_text(proposal.columns[key]), reason


def _statuses(proposal: Proposal) -> Iterator[tuple[str, str]]:
    return ((word, str(meaning)) for word, meaning in proposal.statuses.meanings.items())


def to_json(adoption: Adoption) -> Mapping[str, Any]:
    """Return the keys of the JSON report."""
    proposal = adoption.proposal
    return {
        "file": str(adoption.file),
        "table": quoted_name(proposal.table),
        "candidates": [
            {
                "table": one.relation.sql_name,
                "kind": "view" if one.relation.is_view else "table",
                "rows": one.relation.rows,
                "points": one.points,
            }
            for one in adoption.candidates
        ],
        "where": proposal.where,
        "columns": {
            key: {"value": value, "reason": reason} for key, value, reason in _columns(proposal)
        },
        "statuses": {word: str(meaning) for word, meaning in proposal.statuses.meanings.items()},
        "write": {str(status): word for status, word in proposal.statuses.chosen.items()},
        "to_check": list(proposal.assumptions),
        "to_fill_in": [asdict(problem) for problem in adoption.unanswered],
        "problems": [asdict(problem) for problem in adoption.problems],
        "first_cycle": _cycle_to_json(adoption.preview),
        "text": adoption.text,
    }


def _cycle_to_json(preview: Preview | None) -> Mapping[str, Any] | None:
    if preview is None or preview.cycle is None:
        return None
    cycle = preview.cycle
    return {
        "followed": cycle.rows(Followed.FOLLOWED),
        "not_followed": cycle.not_followed,
        "is_estimate": cycle.is_estimate,
        "groups": [asdict(group) for group in cycle.groups],
        "index": _index(cycle, preview),
        "plan": list(cycle.plan),
        "confirm": preview.confirm,
        "symbols": cycle.symbols,
    }
