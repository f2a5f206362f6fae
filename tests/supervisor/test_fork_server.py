"""The fork server when a signal, a killed supervisor or another release comes in its way."""

import signal
import subprocess
import sys

import pytest

from reconciler.errors import OtherRelease
from reconciler.workload import Chunk

from .conftest import DEADLINE_SECONDS, ROOT, Begin, Journal
from .fake_workload import Behaviour, FakeWorkload, Item, Workspace

LOADED_AMID_A_SIGNAL = """
import os, sys

class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == "sqlalchemy":
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Sender())
import reconciler.supervisor.forkserver_init
assert "sqlalchemy" in sys.modules
"""

KILLED_AMID_A_START = """
import multiprocessing, os, socket
from multiprocessing import forkserver

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["reconciler.supervisor.forkserver_init"])
forkserver.ensure_running()
server = forkserver._forkserver
with socket.socket(socket.AF_UNIX) as client:
    client.connect(server._forkserver_address)
os.waitpid(server._forkserver_pid, 0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_the_group_while_it_loads_do_not_end_it(
    number: signal.Signals,
) -> None:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", LOADED_AMID_A_SIGNAL, str(int(number))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_supervisor_killed_amid_a_start_leaves_no_traceback() -> None:
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", KILLED_AMID_A_START],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")


async def test_a_worker_of_another_release_ends_the_supervisor(
    workspace: Workspace, journal: Journal, begin: Begin
) -> None:
    page = (Chunk(key="COIN", items=(Item(id=1),)),)
    workload = FakeWorkload(workspace=workspace, pages=(page,), opening=Behaviour.BE_OTHER_RELEASE)

    _, run = begin(workload)
    with pytest.raises(OtherRelease, match=r"but a worker runs 0\.0\.9 in /"):
        await run

    assert journal.all("begin") == []
