"""What goes wrong on purpose.

    rules         the settings: how often, how much, limited to what
    effects       what they do to a request: late, cut off, refused, unreadable
    distortions   what they do to the orders in an answer: vanished, shrunken, contradictory
    table         which rules are in force when

`stale_seconds`, `clock_offset_ms`, `account_uid` and `delisted_symbols` are read where an account
is viewed, in `reconciler.paper.exchange`. A new kind is a setting and one function in a table of
`effects` or `distortions`.
"""

from reconciler.paper.faults.rules import (
    EVERY_ROUTE,
    FaultRule,
    Faults,
    RequestTarget,
    TimelineStep,
)
from reconciler.paper.faults.table import FaultTable

__all__ = ["EVERY_ROUTE", "FaultRule", "FaultTable", "Faults", "RequestTarget", "TimelineStep"]
