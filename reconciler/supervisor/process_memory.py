"""The memory of the supervisor and its workers, each with its share of what they share."""

from dataclasses import replace

from reconciler.supervisor.status import Status
from reconciler.supervisor.threads import run_in_daemon_thread


async def with_memory(status: Status) -> Status:
    """Return the status with the memory of the supervisor and of each worker, measured now."""
    pids = [status.pid, *(worker.pid for worker in status.workers if worker.pid is not None)]
    memory = await run_in_daemon_thread(lambda: {pid: pss_bytes(pid) for pid in pids})
    workers = tuple(
        worker if worker.pid is None else replace(worker, memory_bytes=memory[worker.pid])
        for worker in status.workers
    )
    return replace(status, workers=workers, memory_bytes=memory[status.pid])


def pss_bytes(pid: int) -> int | None:
    """Return a process's proportional set size; None if the system does not tell."""
    # The import takes 50 ms, and only a status needs it.
    import psutil  # type: ignore[import-untyped] # noqa: PLC0415 - it ships no types

    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return None
