"""Fixtures of the situations: the dashboard is asked of a real graphite-web."""

from ..observe.conftest import observatory  # noqa: TID252 - tests are no package

__all__ = ["observatory"]
