"""A parent of workers and nothing else: `python -m tests.supervisor.run_workers METHOD FILE`.

The workers are started by a method of multiprocessing, for the pickled workload, and each is
assigned one chunk of its first page. The parent never ends by itself.
"""

import multiprocessing
import pickle
import signal
import sys
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path

from reconciler.worker.messages import AssignBatch, Ready
from reconciler.worker.process import main as run_worker
from reconciler.workload import Batch

from .fake_workload import FakeWorkload
from .run_fake_workload import nothing


def main(method: str, file: Path) -> None:
    """Start the workers, one after another; wait until killed."""
    workload: FakeWorkload = pickle.loads(file.read_bytes())  # noqa: S301 - the test's own
    context = multiprocessing.get_context(method)
    pipes = [start(context, workload, shard) for shard in range(len(workload.pages[0]))]
    while pipes:
        signal.pause()


def start(context: BaseContext, workload: FakeWorkload, shard: int) -> tuple[Connection, ...]:
    """Start a worker as the supervisor does and assign it a batch; return our pipe ends."""
    ours, theirs = context.Pipe()
    our_stacks, their_stacks = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined] # each context's own kind of process
        target=run_worker,
        args=(theirs, their_stacks, workload, shard, None, nothing),
        daemon=True,
    )
    process.start()
    theirs.close()
    their_stacks.close()
    while not isinstance(ours.recv(), Ready):
        pass
    ours.send(AssignBatch(Batch(number=shard, cycle=0, chunks=(workload.pages[0][shard],))))
    return ours, our_stacks


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
