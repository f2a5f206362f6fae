"""A worker's messages arrive in order, and none keeps it from receiving."""

from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import pytest

from reconciler.worker.outbox import Outbox

LARGE = b"x" * 2_000_000


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    """Return the supervisor's end of a pipe, and the worker's."""
    ours, theirs = Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


def fail() -> None:
    raise AssertionError("the other end is open")


def test_a_message_that_nobody_takes_keeps_nobody_waiting(
    ends: tuple[Connection, Connection],
) -> None:
    supervisor, worker = ends
    outbox = Outbox(worker, on_gone=fail)

    for message in (1, LARGE, 2, LARGE, 3):
        outbox.send(message)

    assert [supervisor.recv() for _ in range(5)] == [1, LARGE, 2, LARGE, 3]
    outbox.close()
    outbox.send(4)
    assert supervisor.recv() == 4


def test_a_small_message_has_left_when_send_returns(ends: tuple[Connection, Connection]) -> None:
    supervisor, worker = ends
    outbox = Outbox(worker, on_gone=fail)

    outbox.send("small")

    assert supervisor.poll()
    assert outbox._thread is None


def test_many_small_messages_do_not_block_either(ends: tuple[Connection, Connection]) -> None:
    supervisor, worker = ends
    outbox = Outbox(worker, on_gone=fail)
    small = b"x" * 10_000

    for _ in range(100):
        outbox.send(small)

    assert [supervisor.recv() for _ in range(100)] == [small] * 100
    outbox.close()


@pytest.mark.parametrize("message", ["small", LARGE], ids=["small", "large"])
def test_a_closed_pipe_is_reported(ends: tuple[Connection, Connection], message: object) -> None:
    supervisor, worker = ends
    gone: list[bool] = []
    outbox = Outbox(worker, on_gone=lambda: gone.append(True))
    supervisor.close()

    outbox.send(message)
    outbox.close()

    assert gone == [True]
