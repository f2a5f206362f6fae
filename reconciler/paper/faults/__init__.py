"""Fault injection.

    rules         the settings: how often, how much, for which requests
    effects       what happens to a request: delayed, disconnected, refused, its answer corrupted
    distortions   what happens to the orders in an answer: vanished, shrunken, contradictory
    table         the rules in force at a time

`stale_seconds`, `clock_offset_ms`, `account_uid` and `delisted_symbols` take effect in
`reconciler.paper.exchange`, where an account is viewed. To add a kind of fault, add a setting and
one function in a table of `effects` or `distortions`.
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
