"""The dashboards of `dashboards/graphite`: their panels, and how they get into graphite-web."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.dashboard.files import files
from scripts.dashboard.graphite_expression import SHIPPED_NAMES, Names
from scripts.observatory.client import GraphiteClient
from scripts.observatory.configuration import SHIPPED

FOLDER = SHIPPED / "graphite"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A graph of a dashboard, with its expressions."""

    dashboard: str
    title: str
    targets: Sequence[str]


def dashboard_files() -> list[Path]:
    """Return the files of all dashboards."""
    return sorted(FOLDER.glob("*.json"))


def read_dashboard(file: Path) -> dict[str, Any]:
    """Read the state of a dashboard, as graphite-web stores it."""
    state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return state


def panels_of(state: dict[str, Any]) -> Iterator[Panel]:
    """Yield the panels of a dashboard; each graph is [target, options, address]."""
    for _, options, *_ in state["graphs"]:
        yield Panel(
            dashboard=state["name"],
            title=str(options.get("title", "")),
            targets=[str(target) for target in options["target"]],
        )


def load_dashboards(graphite: GraphiteClient, names: Names = SHIPPED_NAMES) -> dict[str, str]:
    """Store all dashboards, written for a prefix, in graphite-web; return their addresses.

    They begin with the last minutes: there is not more to see yet.
    """
    states = [json.loads(text) for name, text in files(names) if name.startswith(f"{FOLDER.name}/")]
    for state in states:
        state["timeConfig"] |= {"relativeStartQuantity": "10", "relativeStartUnits": "minutes"}
        state["defaultGraphParams"] |= {"from": "-10minutes"}
    return {state["name"]: graphite.save_dashboard(state["name"], state) for state in states}
