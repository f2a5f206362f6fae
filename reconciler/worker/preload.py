"""Import once, in the fork server, what every worker needs, whichever exchange it asks.

Workers are forked from the fork server and share the memory of what it has imported; what a worker
imports itself is memory of its own. Modules that only serve a terminal stay out: if they are
installed, httpx and structlog would load 5 MiB of them, and no worker uses any.

Nothing here may leave a file, a socket or a thread open: each worker would inherit it.
"""

from contextlib import suppress
from importlib import import_module

from reconciler.errors import ConfigurationError
from reconciler.small_memory import as_if_not_installed

# The order workload is named here, and not imported as in other modules: this package serves any
# workload and must not depend on one. Another workload shares the libraries.
_WORKER_MODULES = ("reconciler.worker.process", "reconciler.orders.workload")
_LAZY_IMPORTS = ("httpcore", "anyio._backends._asyncio", "concurrent.futures.thread")
"""Modules that libraries import at the first request or at the first call in a thread."""

_TERMINAL_LIBRARIES = ("click", "pygments", "rich")


with as_if_not_installed(*_TERMINAL_LIBRARIES):
    from reconciler.exchanges.tls import trusted_authorities

    for _name in (*_WORKER_MODULES, *_LAZY_IMPORTS):
        import_module(_name)

with suppress(ConfigurationError):  # Each worker gets the same error, and reports it.
    trusted_authorities()
