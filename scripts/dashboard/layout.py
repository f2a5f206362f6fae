"""The dashboards: which panels, in which order.

The first screen of the overview answers in ten seconds: are orders right, and if not, whose fault
is it: ours, the exchange's, the database's, or does a person need to act?
"""

from scripts.dashboard import panels
from scripts.dashboard.panel import DashboardPlan, Section

OVERVIEW = DashboardPlan(
    slug="overview",
    title="Reconciler: overview",
    answers="Are orders right, and if not, whose fault is it?",
    sections=(
        Section(title="Verdict", panels=(panels.VERDICT, panels.ROWS)),
        Section(
            title="Are orders right?",
            panels=(panels.OLDEST_STALE, panels.BACKLOG, panels.DISCREPANCIES, panels.ORDERS),
        ),
        Section(
            title="Does a person need to act?",
            panels=(panels.HALT, panels.HOLDS, panels.OLDEST_HOLD, panels.ACCOUNTS_PARKED),
        ),
        Section(
            title="Is it the exchange?",
            panels=(
                panels.BREAKERS_OPEN,
                panels.ERRORS_BY_CLASS,
                panels.PAUSE,
                panels.BUDGET,
            ),
        ),
        Section(
            title="Is it us, or the database?",
            panels=(panels.LAST_RUN, panels.SHARDS, panels.RESTARTS, panels.DATABASE),
        ),
        Section(
            title="What was corrected?",
            panels=(panels.TRANSITIONS, panels.TIME_TO_CORRECT),
        ),
    ),
)
EXCHANGE = DashboardPlan(
    slug="exchange",
    title="Reconciler: exchange and budget",
    answers="Does the exchange answer, how fast, and is the rate budget what limits us?",
    sections=(
        Section(
            title="Does it answer?",
            panels=(
                panels.BREAKERS_OPEN,
                panels.BREAKERS,
                panels.ERRORS_BY_CLASS,
                panels.ERRORS_AN_HOUR,
                panels.LATENCY,
                panels.REQUESTS,
            ),
        ),
        Section(
            title="The budget",
            panels=(panels.BUDGET, panels.WEIGHT, panels.PAUSE, panels.ACCOUNTS_PARKED),
        ),
    ),
)
WORKERS = DashboardPlan(
    slug="workers",
    title="Reconciler: workers and database",
    answers="Do our workers work, and does the database keep up?",
    sections=(
        Section(
            title="Workers",
            panels=(
                panels.LAST_RUN,
                panels.SHARDS,
                panels.RESTARTS,
                panels.CYCLES,
                panels.QUEUED,
                panels.IN_FLIGHT,
            ),
        ),
        Section(title="Database", panels=(panels.DATABASE, panels.PLANNING)),
        Section(title="What could be missed", panels=(panels.NOT_FOLLOWED, panels.LOST_LINES)),
    ),
)

DASHBOARDS = (OVERVIEW, EXCHANGE, WORKERS)
