"""Pictures of what the first dashboard shows of one deployment."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from scripts.dashboard.graphite_expression import SHIPPED_NAMES, Names
from scripts.dashboard.graphite_web import HEIGHT, WIDTH, graph_of
from scripts.dashboard.panels import ROWS, VERDICT
from scripts.observatory.client import GraphiteClient, Series

_PANELS = (VERDICT, ROWS)


def verdict_series(graphite: GraphiteClient, prefix: str, *, since: str) -> list[Series]:
    """Return what the panel with the reasons draws, the first of its legend first."""
    _, graph, _ = graph_of(ROWS, _names(prefix))
    return graphite.render(*graph["target"], since=since)


def save_verdict(graphite: GraphiteClient, prefix: str, file: Path, *, since: str) -> None:
    """Save the panels of the verdict, side by side, as graphite-web draws them."""
    pictures = [
        Image.open(io.BytesIO(graphite.picture(*graph.pop("target"), since=since, **graph)))
        for graph in _graphs(prefix)
    ]
    side_by_side(pictures).save(file)


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Return pictures of one size as one, two in each line."""
    width, height = pictures[0].size
    whole = Image.new("RGB", (2 * width, -(-len(pictures) // 2) * height))
    for number, picture in enumerate(pictures):
        whole.paste(picture, (number % 2 * width, number // 2 * height))
    return whole


def _graphs(prefix: str) -> Iterator[dict[str, Any]]:
    for panel in _PANELS:
        _, graph, _ = graph_of(panel, _names(prefix))
        yield graph | {"width": WIDTH, "height": HEIGHT}


def _names(prefix: str) -> Names:
    return replace(SHIPPED_NAMES, prefix=prefix)
