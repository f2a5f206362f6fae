"""The panels: what each answers, and what it draws."""

from scripts.dashboard import limits
from scripts.dashboard.panel import Line, Panel, PanelUnit
from scripts.dashboard.signal import (
    Age,
    BadRows,
    Duration,
    Rate,
    Share,
    StaleTimes,
    Total,
    Value,
    Verdict,
)

VERDICT = Panel(
    title="Verdict",
    answers="Are orders right? What `reconciler health` says, 3 where nobody judges any more.",
    unit=PanelUnit.GRADE,
    lines=(Line(signal=Verdict(), name="verdict"),),
    limits=limits.GRADE,
    runbook="the-first-two-minutes",
    tile="Verdict",
)
ROWS = Panel(
    title="What made the verdict",
    answers="If not, why, and whose fault is it? The rows that are bad, the cause first.",
    unit=PanelUnit.GRADE,
    lines=(Line(signal=BadRows()),),
    runbook="which-section",
    is_stacked=True,
    shows_faults=True,
)
OLDEST_STALE = Panel(
    title="Oldest stale order",
    answers="How long has the order that waits longest not been synced, compared with the limits?",
    unit=PanelUnit.SECONDS,
    lines=(
        Line(signal=Value("stale.oldest_age_seconds"), name="oldest stale order"),
        Line(
            signal=StaleTimes(limits.STALE.warning or 0), name="from here: warning", is_limit=True
        ),
        Line(
            signal=StaleTimes(limits.STALE.critical or 0), name="from here: critical", is_limit=True
        ),
    ),
    runbook="oldest-stale",
    tile="Oldest stale order",
)
BACKLOG = Panel(
    title="Backlog",
    answers="How many orders are due, and does that number fall?",
    unit=PanelUnit.ORDERS,
    lines=(Line(signal=Value("stale.backlog"), name="stale orders"),),
    runbook="backlog",
    tile="Backlog",
)
DISCREPANCIES = Panel(
    title="Discrepancy rate of the last hour",
    answers="Of the rows that were reconciled, how many said something else before?",
    unit=PanelUnit.PERCENT,
    lines=(
        Line(signal=Share("orders.discrepancies", "orders.reconciled"), name="discrepancy rate"),
    ),
    limits=limits.DISCREPANCY_PERCENT,
    runbook="discrepancy-rate",
)
TIME_TO_CORRECT = Panel(
    title="Time to correct",
    answers="How long is a row wrong: from the exchange's event to the row being right?",
    unit=PanelUnit.SECONDS,
    lines=(
        Line(signal=Duration("orders.time_to_correct", in_seconds=True), name="half are faster"),
        Line(
            signal=Duration("orders.time_to_correct", "upper_99", in_seconds=True),
            name="99 % are faster",
        ),
    ),
    runbook="corrections-come-late",
)
TRANSITIONS = Panel(
    title="Changes by status",
    answers="What was changed, from which status to which?",
    unit=PanelUnit.PER_MINUTE,
    lines=(Line(signal=Rate("transitions.<from>.<to>", 60)),),
    runbook="discrepancy-rate",
    is_stacked=True,
)
ORDERS = Panel(
    title="Orders",
    answers="How many orders are reconciled, and what happened to the others?",
    unit=PanelUnit.PER_SECOND,
    lines=(
        Line(signal=Rate("orders.reconciled"), name="reconciled"),
        Line(signal=Rate("orders.errors"), name="without result"),
        Line(signal=Rate("orders.held"), name="put on hold"),
        Line(signal=Rate("orders.skipped_locked"), name="row was locked"),
    ),
    runbook="errors",
)
HALT = Panel(
    title="Halt",
    answers="Is writing stopped, because most of a cycle looked wrong?",
    unit=PanelUnit.YES_OR_NO,
    lines=(Line(signal=Value("halt.active"), name="halt"),),
    limits=limits.ANY_IS_CRITICAL,
    runbook="halt",
    tile="Halt",
)
HOLDS = Panel(
    title="Orders on hold",
    answers="How many orders need a person?",
    unit=PanelUnit.ORDERS,
    lines=(Line(signal=Value("holds.open"), name="orders on hold"),),
    runbook="holds",
    tile="Orders on hold",
)
OLDEST_HOLD = Panel(
    title="Oldest hold",
    answers="How long has the oldest of them waited for a person?",
    unit=PanelUnit.SECONDS,
    lines=(Line(signal=Value("holds.oldest_age_seconds"), name="oldest hold"),),
    limits=limits.OLDEST_HOLD_SECONDS,
    runbook="oldest-hold",
)
BREAKERS = Panel(
    title="Breaker of each shard",
    answers="Does the exchange answer our requests?",
    unit=PanelUnit.BREAKER,
    lines=(Line(signal=Value("shard.<n>.breaker.state"), name="shard "),),
    limits=limits.GRADE,
    runbook="breakers",
)
BREAKERS_OPEN = Panel(
    title="Open breakers",
    answers="How many shards send nothing, because their requests failed? How often did one open?",
    unit=PanelUnit.NUMBER,
    lines=(
        Line(signal=Value("breakers.open"), name="open now"),
        Line(signal=Total("breaker.opened"), name="opened in the last hour"),
    ),
    limits=limits.ANY_IS_CRITICAL,
    runbook="breakers",
    tile="Open breakers",
)
ERRORS_BY_CLASS = Panel(
    title="Errors of requests by class",
    answers="How do requests to the exchange fail?",
    unit=PanelUnit.PER_MINUTE,
    lines=(Line(signal=Rate("exchange.errors.<class>", 60)),),
    runbook="errors",
    is_stacked=True,
    shows_faults=True,
)
ERRORS_AN_HOUR = Panel(
    title="Orders without result in the last hour",
    answers="For how many orders was the exchange asked without result?",
    unit=PanelUnit.ORDERS,
    lines=(Line(signal=Total("orders.errors"), name="orders without result"),),
    limits=limits.ERRORS_AN_HOUR,
    runbook="errors",
)
BUDGET = Panel(
    title="Request weight against the budget",
    answers="Is the rate budget what limits us?",
    unit=PanelUnit.WEIGHT,
    lines=(
        Line(signal=Value("budget.used"), name="used"),
        Line(signal=Value("budget.limit"), name="limit", is_limit=True),
    ),
    runbook="backlog",
)
WEIGHT = Panel(
    title="Request weight sent",
    answers="How much weight do all workers send? A counter, so that nothing between two looks at"
    " the budget is missing.",
    unit=PanelUnit.PER_MINUTE,
    lines=(Line(signal=Rate("exchange.weight", 60), name="weight"),),
    runbook="backlog",
)
PAUSE = Panel(
    title="Rate-limit pause",
    answers="Does the exchange want no requests, and for how much longer?",
    unit=PanelUnit.SECONDS,
    lines=(Line(signal=Value("budget.pause_seconds"), name="remaining pause"),),
    limits=limits.PAUSE,
    runbook="pause",
    tile="Rate-limit pause",
)
LATENCY = Panel(
    title="Latency of requests",
    answers="How fast does the exchange answer?",
    unit=PanelUnit.MILLISECONDS,
    lines=(
        Line(signal=Duration("exchange.latency"), name="half are faster"),
        Line(signal=Duration("exchange.latency", "upper_99"), name="99 % are faster"),
    ),
    runbook="exchange",
)
REQUESTS = Panel(
    title="Requests",
    answers="How many requests are sent, and how many of them again?",
    unit=PanelUnit.PER_SECOND,
    lines=(
        Line(signal=Rate("exchange.requests"), name="sent"),
        Line(signal=Rate("exchange.retries"), name="of these: sent again"),
    ),
    runbook="exchange",
)
ACCOUNTS_PARKED = Panel(
    title="Parked accounts",
    answers="How many accounts get no request until a person acts, because their key is refused?",
    unit=PanelUnit.NUMBER,
    lines=(Line(signal=Value("accounts.parked"), name="parked accounts"),),
    limits=limits.ANY_IS_WARNING,
    runbook="accounts",
)
SHARDS = Panel(
    title="Shards",
    answers="Do all shards have a worker?",
    unit=PanelUnit.NUMBER,
    lines=(
        Line(signal=Value("shards.running"), name="with a worker"),
        Line(signal=Value("shards.desired"), name="desired", is_limit=True),
        Line(signal=Value("shards.parked"), name="parked"),
    ),
    runbook="shards",
)
RESTARTS = Panel(
    title="Workers that died in the last hour",
    answers="Do our workers crash or hang?",
    unit=PanelUnit.NUMBER,
    lines=(
        Line(signal=Total("supervisor.restarts"), name="died and were replaced"),
        Line(signal=Total("supervisor.killed_hung"), name="of these: killed because they hung"),
    ),
    runbook="shards",
)
LAST_RUN = Panel(
    title="Last run",
    answers="How long ago did the last cycle end?",
    unit=PanelUnit.SECONDS,
    lines=(Line(signal=Age("cycle.last_run_timestamp"), name="seconds since the last cycle"),),
    limits=limits.LAST_RUN,
    runbook="last-run",
    tile="Last run ago",
)
CYCLES = Panel(
    title="Duration of cycles",
    answers="How long does a cycle take?",
    unit=PanelUnit.MILLISECONDS,
    lines=(
        Line(signal=Duration("cycle.duration", "upper"), name="slowest"),
        Line(signal=Value("cycle.last_duration_ms"), name="last one"),
    ),
    limits=limits.CYCLE_MS,
    runbook="cycle-duration",
)
QUEUED = Panel(
    title="Orders that wait for a worker",
    answers="Which shard has more than its worker can do?",
    unit=PanelUnit.ORDERS,
    lines=(Line(signal=Value("shard.<n>.queued"), name="shard "),),
    runbook="backlog",
)
IN_FLIGHT = Panel(
    title="Orders in flight",
    answers="Which worker has orders in flight, and does not finish them?",
    unit=PanelUnit.ORDERS,
    lines=(Line(signal=Value("shard.<n>.in_flight"), name="shard "),),
    runbook="shards",
)
DATABASE = Panel(
    title="Database: one transaction",
    answers="Is the database slow, and in which step?",
    unit=PanelUnit.MILLISECONDS,
    lines=(
        Line(signal=Duration("store.apply", "upper_99"), name="99 % are faster"),
        Line(signal=Duration("store.lock", "upper_99"), name="of these: the locks of rows"),
        Line(signal=Duration("store.commit", "upper_99"), name="of these: the commit"),
    ),
    runbook="database",
)
PLANNING = Panel(
    title="Database: one page of stale orders",
    answers="How long does it take to read what is due? With a lack of vacuum this grows.",
    unit=PanelUnit.MILLISECONDS,
    lines=(
        Line(signal=Duration("plan.duration"), name="half are faster"),
        Line(signal=Duration("plan.duration", "upper_99"), name="99 % are faster"),
    ),
    runbook="database",
)
NOT_FOLLOWED = Panel(
    title="Rows that nobody follows",
    answers="Are there rows that look open, and that we do not reconcile, or that name one order"
    " of the exchange twice?",
    unit=PanelUnit.ORDERS,
    lines=(
        Line(signal=Value("orders.not_followed"), name="not followed"),
        Line(signal=Value("orders.duplicates"), name="named twice"),
    ),
    limits=limits.ANY_IS_WARNING,
    runbook="rows-are-not-followed",
)
LOST_LINES = Panel(
    title="Lines of the log that were lost in the last hour",
    answers="Can we trust the log to be complete?",
    unit=PanelUnit.NUMBER,
    lines=(Line(signal=Total("log.lines_lost"), name="lines lost"),),
    limits=limits.ANY_IS_WARNING,
    runbook="lines-of-the-log-are-lost",
)
