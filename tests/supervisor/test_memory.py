import pytest

from reconciler.supervisor.child import fork_server

from .conftest import DEADLINE_SECONDS, ROOT
from .inside import collect_garbage

A_LITTLE = 2 * 1024 * 1024
"""What a process may write to while it measures. All that it shares is 50 MiB."""


def test_a_collection_of_garbage_leaves_shared_what_the_fork_server_has_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    context = fork_server()
    ours, theirs = context.Pipe()
    worker = context.Process(target=collect_garbage, args=(theirs,))

    worker.start()

    assert ours.poll(DEADLINE_SECONDS)
    assert ours.recv() < A_LITTLE
    worker.join(DEADLINE_SECONDS)
    assert worker.exitcode == 0
    for one in (worker, ours, theirs):
        one.close()
