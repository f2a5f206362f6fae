"""Import once, in the fork server, what every worker needs.

Workers are forked from the fork server and share the memory of what it has imported; what a worker
imports itself is memory of its own. Modules that only serve a terminal stay out: if they are
installed, httpx and structlog would load 5 MiB of them, and no worker uses any.

Nothing here may leave a file, a socket or a thread open: each worker would inherit it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

from reconciler.errors import ConfigurationError

# The order workload is named here, and not imported as in other modules: this package serves any
# workload and must not depend on one. Another workload shares the libraries.
_WORKER_MODULES = ("reconciler.worker.process", "reconciler.orders.workload")
_LAZY_IMPORTS = ("httpcore", "anyio._backends._asyncio", "concurrent.futures.thread")
"""Modules that libraries import at the first request or at the first call in a thread."""

_TERMINAL_LIBRARIES = ("click", "pygments", "rich")


@contextmanager
def _as_if_not_installed(names: tuple[str, ...]) -> Iterator[None]:
    """Make imports of `names` fail in the block, but not later: a workload may need them."""
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment] # None makes an import fail
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


with _as_if_not_installed(_TERMINAL_LIBRARIES):
    from reconciler.exchanges.registry import PACKAGES as ADAPTERS
    from reconciler.exchanges.tls import trusted_authorities

    for _name in (*ADAPTERS, *_WORKER_MODULES, *_LAZY_IMPORTS):
        import_module(_name)

with suppress(ConfigurationError):  # Each worker gets the same error, and reports it.
    trusted_authorities()
