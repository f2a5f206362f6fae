"""Real StatsD, Carbon and graphite-web, as `scripts/observe` runs them, once for a test process."""

from collections.abc import Iterator

import pytest

from scripts.observatory.configuration import Ports, Steps
from scripts.observatory.stack import PROGRAMS, Observatory, run_observatory

from ..e2e.conftest import demo, paper, reconcile, start  # noqa: TID252 - tests are no package
from ..optional_programs import require_program  # noqa: TID252

__all__ = ["demo", "paper", "reconcile", "start"]

FAST = Steps(flush_seconds=1, retentions="1s:1h,10s:2h")


@pytest.fixture(scope="session")
def observatory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observatory]:
    """The three programs, with a flush of 1 s."""
    require_program(*PROGRAMS)
    folder = tmp_path_factory.mktemp("observatory")
    with run_observatory(folder, Ports.choose(), FAST) as observatory:
        yield observatory
