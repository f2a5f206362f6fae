"""What happens to the fork server while it is still loading the program."""

import signal
import subprocess
import sys

import pytest

from .conftest import DEADLINE_SECONDS, ROOT

LOADED_AMID_A_SIGNAL = """
import os, sys

class Sender:
    def find_spec(self, name, path=None, target=None):
        if name == "sqlalchemy":
            os.kill(os.getpid(), int(sys.argv[1]))

sys.meta_path.insert(0, Sender())
import reconciler.supervisor.in_fork_server
assert "sqlalchemy" in sys.modules
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_sent_to_the_group_while_it_loads_neither_ends_it_nor_shows(
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
