"""A page: its place in the navigation, and its routes."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import Route


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of the console. `path` is where its link in the navigation leads."""

    title: str
    path: str
    routes: Sequence[Route]
