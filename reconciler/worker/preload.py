"""What every worker needs, imported and loaded once, by the fork server, for all of them.

What a worker loads itself is memory of its own; what is here it shares with the others.

Nothing here may leave a file, a socket or a thread open: workers are forked from this state.
"""

from contextlib import suppress
from importlib import import_module

from reconciler.errors import ConfigurationError
from reconciler.exchanges.registry import trusted_authorities

_OURS = ("reconciler.exchanges.binance", "reconciler.worker.loop", "reconciler.worker.orders")
_ONLY_WHEN_USED = ("httpcore", "anyio._backends._asyncio", "concurrent.futures.thread")
"""What the libraries import for themselves, at the first request or the first call in a thread."""

for _name in (*_OURS, *_ONLY_WHEN_USED):
    import_module(_name)
with suppress(ConfigurationError):  # Every worker meets it again, and can say so.
    trusted_authorities()
