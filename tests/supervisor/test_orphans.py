"""A worker ends when its parent is gone, in whichever way it was started."""

import asyncio
import os
import pickle
import signal
import sys

import pytest

from reconciler.workload import Chunk

from .conftest import ROOT, Journal
from .fake_workload import Behaviour, FakeWorkload, Item, Workspace
from .processes import EndWatch, family

WORKERS = 3


@pytest.mark.parametrize("method", ["forkserver", "spawn", "fork"])
@pytest.mark.parametrize("busy", [Behaviour.WAIT, Behaviour.GET_STUCK, Behaviour.LOOP])
async def test_workers_end_within_a_second_of_their_parents_death(
    workspace: Workspace, journal: Journal, method: str, busy: Behaviour
) -> None:
    page = tuple(
        Chunk(key=f"COIN{number}", items=(Item(id=number, acts=(busy,)),))
        for number in range(WORKERS)
    )
    file = workspace.folder / "workload"
    file.write_bytes(pickle.dumps(FakeWorkload(workspace=workspace, pages=(page,))))
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.supervisor.run_workers", method, str(file)),
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        await journal.wait("begin", WORKERS)
        descendants = EndWatch(family(parent.pid))
    finally:
        parent.kill()
    left = descendants.left_after(1.0)
    await parent.wait()
    for pid in left:
        os.kill(pid, signal.SIGKILL)

    assert not left
