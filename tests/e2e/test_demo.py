"""The demo leaves nothing behind, however it ends."""

import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil  # type: ignore[import-untyped] # it ships no types
import pytest

from .conftest import Start

ORDERS = 300


@dataclass(frozen=True)
class Sandbox:
    """A temporary folder for everything that the demo makes, and a mark for its processes."""

    folder: Path
    mark: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that confine the demo to this sandbox."""
        return {"TMPDIR": str(self.folder), "RECONCILER_TEST_MARK": self.mark, "LOG_FORMAT": "json"}

    @property
    def leftovers(self) -> list[str]:
        """The files and processes of the demo, whatever their parent is by now."""
        processes = (process.info for process in psutil.process_iter(["name", "environ", "status"]))
        return [str(path) for path in self.folder.iterdir()] + [
            info["name"]
            for info in processes
            if (info["environ"] or {}).get("RECONCILER_TEST_MARK") == self.mark
            and info["status"] != psutil.STATUS_ZOMBIE
        ]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    # PostgreSQL's socket needs a short path, and its user, if it is another, access to it.
    with tempfile.TemporaryDirectory(prefix="r-") as folder:
        Path(folder).chmod(0o711)
        yield Sandbox(Path(folder), uuid4().hex)


@pytest.mark.long
def test_the_demo_ends_true_twice_in_a_row_and_leaves_nothing(
    sandbox: Sandbox, start: Start
) -> None:
    for _ in range(2):
        ended = start("demo", "--orders", str(ORDERS), "--json", **sandbox.environment).end()

        assert ended.exit_code == 0, ended.err
        assert (ended.report["orders"], ended.report["mismatches"]) == (ORDERS, 0)
        assert sandbox.leftovers == []


@pytest.mark.parametrize(
    "moment",
    ["starting PostgreSQL", "writing", "worker.started", "comparing"],
)
def test_ctrl_c_in_the_demo_leaves_nothing(sandbox: Sandbox, start: Start, moment: str) -> None:
    demo = start("demo", "--orders", "1000", LOG_LEVEL="DEBUG", **sandbox.environment)
    demo.wait_for_text(moment)
    demo.send_as_terminal(signal.SIGINT)
    ended = demo.end()

    assert ended.exit_code == 130 or (moment, ended.exit_code) == ("comparing", 0), ended.err
    assert "Traceback" not in ended.err
    assert not demo.logged("worker.died")
    assert sandbox.leftovers == []


def test_term_ends_the_demo_as_ctrl_c_does(sandbox: Sandbox, start: Start) -> None:
    demo = start("demo", "--orders", "1000", LOG_LEVEL="DEBUG", **sandbox.environment)
    demo.wait_for_text("supervisor.started")
    demo.send(signal.SIGTERM)
    ended = demo.end()

    assert ended.exit_code == 130, ended.err
    assert sandbox.leftovers == []
