from collections.abc import Callable
from typing import Any

import pytest

from reconciler.supervisor.worker_process import fork_server

from .conftest import DEADLINE_SECONDS, ROOT
from .inside import collect_garbage, import_late

A_LITTLE = 2 * 1024 * 1024
"""The shared memory that a process may write to while it measures, of 50 MiB."""


def measure_in_worker(measure: Callable[..., None], *arguments: object) -> Any:
    """Return what a process from the fork server sends of itself."""
    context = fork_server()
    ours, theirs = context.Pipe()
    worker = context.Process(target=measure, args=(theirs, *arguments))
    worker.start()
    assert ours.poll(DEADLINE_SECONDS)
    measured = ours.recv()
    worker.join(DEADLINE_SECONDS)
    assert worker.exitcode == 0
    for resource in (worker, ours, theirs):
        resource.close()
    return measured


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def test_a_garbage_collection_leaves_shared_memory_shared() -> None:
    assert measure_in_worker(collect_garbage) < A_LITTLE


@pytest.mark.parametrize("name", ["click", "pygments", "rich"])
def test_terminal_libraries_are_not_loaded_for_a_worker_but_can_be(name: str) -> None:
    is_loaded, can_be_loaded = measure_in_worker(import_late, name)

    assert not is_loaded
    assert can_be_loaded
