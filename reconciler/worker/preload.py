"""What every worker imports, for the fork server to import once for all of them.

Nothing here may open a file, a socket or a thread: workers are forked from this state.
"""

import reconciler.exchanges.binance
import reconciler.worker.loop
import reconciler.worker.orders  # noqa: F401 - imported to be there already
