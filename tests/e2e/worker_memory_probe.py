"""Measure the memory of a worker in a process like the fork server's.

It reads a pickled workload and pickled batches from standard input, and prints JSON.
"""

import asyncio
import gc
import json
import pickle
import sys
import tracemalloc
from collections.abc import Sequence
from importlib import import_module
from typing import TypedDict

import reconciler.worker.preload
from reconciler.exchanges.registry import BRIDGES, PACKAGES
from reconciler.orders.workload import OrderWorkload
from reconciler.resilience.limits import Cost, LimitReading
from reconciler.resilience.nonces import LocalNonces
from reconciler.workload import Batch

_ADAPTERS = {*PACKAGES, *BRIDGES}


class Measurements(TypedDict):
    """The measurements of a worker.

    Attributes:
        preloaded: The packages that it shares with the fork server.
        adapters: The packages of exchanges that it has loaded.
        imported: The modules that the worker has imported by itself.
        kept_bytes: The memory while its batches wait for the verdict, the batches included.
        left_bytes: The part of it that is left after the commits.
    """

    preloaded: list[str]
    adapters: list[str]
    imported: list[str]
    kept_bytes: int
    left_bytes: int


class EndlessBudget:
    """A budget that grants everything at once."""

    async def take(self, cost: Cost) -> None: ...

    async def record_outcome(self, *, is_alive: bool) -> None: ...

    async def pause(self, seconds: float) -> None: ...

    async def observe(self, reading: LimitReading) -> None: ...


async def work(workload: OrderWorkload, pickled: Sequence[bytes]) -> Measurements:
    """Handle the batches twice; measure the second time, when all caches are filled."""
    for module in workload.modules:
        import_module(module)
    loaded = set(sys.modules)
    handler = await workload.open_handler(
        shard=0, budget=EndlessBudget(), nonces=LocalNonces(), breaker=None
    )
    for batch in map(pickle.loads, pickled):
        await handler.prepare(batch)
        await handler.commit(batch, may_write=True)
    imported = sorted(set(sys.modules) - loaded)
    gc.collect()
    tracemalloc.start()
    batches: list[Batch] = [pickle.loads(one) for one in pickled]  # noqa: S301 - the test's own
    for batch in batches:
        await handler.prepare(batch)
    kept_bytes = _traced_bytes()
    while batches:
        await handler.commit(batches.pop(0), may_write=True)
    del batch
    left_bytes = _traced_bytes()
    await handler.close()
    preloaded = sorted({name.partition(".")[0] for name in loaded})
    adapters = sorted(_ADAPTERS & sys.modules.keys())
    return Measurements(
        preloaded=preloaded,
        adapters=adapters,
        imported=imported,
        kept_bytes=kept_bytes,
        left_bytes=left_bytes,
    )


def _traced_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main() -> None:
    """Measure and print."""
    assert reconciler.worker.preload  # imported for its side effect only
    workload, batches = pickle.load(sys.stdin.buffer)  # noqa: S301 - the test's own
    print(json.dumps(asyncio.run(work(workload, batches))))  # noqa: T201


if __name__ == "__main__":
    main()
