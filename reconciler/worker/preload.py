"""What every worker needs, imported and loaded once, by the fork server, for all of them.

What a worker loads itself is memory of its own; what is here it shares with the others. It pays its
part of that too, so what only serves a terminal stays out: httpx and structlog load 5 MiB of it
where it is installed, and no worker uses any.

Nothing here may leave a file, a socket or a thread open: workers are forked from this state.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

from reconciler.errors import ConfigurationError

_OURS = ("reconciler.exchanges.binance", "reconciler.worker.process", "reconciler.orders.workload")
_ONLY_WHEN_USED = ("httpcore", "anyio._backends._asyncio", "concurrent.futures.thread")
"""What the libraries import for themselves, at the first request or the first call in a thread."""

_FOR_TERMINALS = ("click", "pygments", "rich")


@contextmanager
def _as_if_not_installed(names: tuple[str, ...]) -> Iterator[None]:
    """Let importing `names` fail in the block; afterwards a workload of somebody's may."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment] # Python's own way to say so
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _as_if_not_installed(_FOR_TERMINALS):
    for _name in (*_OURS, *_ONLY_WHEN_USED):
        import_module(_name)
    from reconciler.exchanges.registry import trusted_authorities

with suppress(ConfigurationError):  # Every worker meets it again, and can say so.
    trusted_authorities()
