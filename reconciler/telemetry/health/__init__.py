"""The reconciler's health: one verdict and the reasons for it. Pure.

vitals   what is measured, by each supervisor and in the database
rows     the rows of the verdict, each with what to type and where to read on
causes   the order of the reasons: causes before symptoms
judge    the limits, and the verdict
table_state
         are the orders in the table right: the answer in plain sentences
"""

from reconciler.telemetry.health.causes import CAUSES, causes_first
from reconciler.telemetry.health.judge import (
    FIRST_SYNC_HOURS,
    HealthVerdict,
    judge,
)
from reconciler.telemetry.health.rows import Grade, HealthRow, Slug
from reconciler.telemetry.health.table_state import Answer, TableState, is_count_old, table_state
from reconciler.telemetry.health.vitals import HostState, LastHour, Vitals

__all__ = [
    "CAUSES",
    "FIRST_SYNC_HOURS",
    "Answer",
    "Grade",
    "HealthRow",
    "HealthVerdict",
    "HostState",
    "LastHour",
    "Slug",
    "TableState",
    "Vitals",
    "causes_first",
    "is_count_old",
    "judge",
    "table_state",
]
