"""What `reconciler init` found, for a person and as JSON."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from reconciler.adoption.draft import Proposal
from reconciler.adoption.toml_text import column_text
from reconciler.cli.ui.output import console, print_table
from reconciler.config_file.orders import COLUMN_KEYS
from reconciler.store.user_table import quoted_name

if TYPE_CHECKING:
    from reconciler.cli.init import Adoption


def print_proposal(adoption: "Adoption") -> None:
    """Print what goes where, which status means what, what to check, and the file."""
    proposal = adoption.proposal
    out = console()
    out.print(Text.assemble("orders are in ", (quoted_name(proposal.table), "bold")))
    for condition in (proposal.where,) if proposal.where else ():
        out.print(Text.assemble("only rows with ", (condition, "bold")))
    print_table(["ours", "yours", "why"], list(_columns(proposal)))
    if proposal.statuses.meanings:
        print_table(["your status", "means", "rows"], list(_statuses(proposal)))
    for place, assumption in enumerate(proposal.assumptions):
        lead = "to check: " if place == 0 else "          "
        out.print(Text.assemble((lead, "bold yellow"), assumption), soft_wrap=True)
    out.print(Text.assemble("written: ", (str(adoption.file), "bold")), soft_wrap=True)


def _columns(proposal: Proposal) -> Iterator[tuple[str, str, str]]:
    for key in COLUMN_KEYS:
        if key in proposal.columns:
            reason = proposal.reasons.get(("columns", key), "")
            yield key, column_text(proposal.columns[key]), reason


def _statuses(proposal: Proposal) -> Iterator[tuple[str, str, str]]:
    for word, meaning in proposal.statuses.meanings.items():
        yield word, str(meaning), proposal.reasons.get(("statuses", word), "")
    for status, word in proposal.statuses.chosen.items():
        yield f"{status} is written as", word, ""


def to_json(adoption: "Adoption") -> Mapping[str, Any]:
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
        "to_fill_in": [
            {"what": problem.what, "hint": problem.hint} for problem in adoption.unanswered
        ],
        "text": adoption.text,
    }
