"""The view of a supervisor's status. Pure.

`status` prints all of it once; `top` prints as much as fits the screen, again and again. Each line
begins with what matters most, because a narrow screen cuts its end.
"""

from collections.abc import Iterable, Iterator, Mapping

from rich.table import Table
from rich.text import Text

from reconciler.cli.ui.fitting_table import Column, fitting_table
from reconciler.cli.ui.limit_words import budget_words, other_limits
from reconciler.cli.ui.verdict_view import line
from reconciler.formatting import clock, duration, elapsed, memory
from reconciler.supervisor.status import (
    CycleStatus,
    Phase,
    ShardState,
    ShardStatus,
    SupervisorStatus,
)
from reconciler.telemetry.shadow import Mode, ShadowFigures
from reconciler.workload import CountFields

MAX_KEYS = 5

_PHASES = {
    Phase.STARTING: "yellow",
    Phase.RUNNING: "green",
    Phase.HALTED: "bold red",
    Phase.DRAINING: "yellow",
}
_STATES = {
    ShardState.BOOTING: "yellow",
    ShardState.READY: "green",
    ShardState.DRAINING: "yellow",
    ShardState.STOPPING: "yellow",
    ShardState.BACKING_OFF: "yellow",
    ShardState.PARKED: "bold red",
}
_BREAKERS = {"closed": "green", "half_open": "yellow", "open": "bold red"}

SHARD_COLUMNS = {
    "shard": Column(least_width=5, importance=100),
    "pid": Column(least_width=7, importance=50),
    "state": Column(least_width=11, importance=99, is_number=False),
    "buckets": Column(least_width=7, importance=40),
    "queued": Column(least_width=6, importance=97),
    "in flight": Column(least_width=6, importance=90),
    "done/s": Column(least_width=6, importance=80),
    "memory": Column(least_width=6, importance=60),
    "breaker": Column(least_width=10, importance=98, is_number=False),
    "deaths": Column(least_width=6, importance=30),
    "up": Column(least_width=9, importance=29),
    "done": Column(least_width=9, importance=28),
}
LAST_FAULT = "last fault"
FAULT_COLUMN = {
    LAST_FAULT: Column(least_width=40, importance=35, is_number=False, takes_the_rest=True)
}
CYCLE_COLUMNS = {
    "at (UTC)": Column(least_width=8, importance=100, is_number=False),
    "took": Column(least_width=6, importance=99),
    "scanned": Column(least_width=7, importance=98),
    "changed": Column(least_width=7, importance=97),
    "failed": Column(least_width=6, importance=96),
    "held": Column(least_width=4, importance=95),
    "locked": Column(least_width=6, importance=50),
    "requests": Column(least_width=8, importance=60),
    "weight": Column(least_width=6, importance=70),
}


def headline(status: SupervisorStatus) -> Text:
    """Return which supervisor answers, and what it is doing."""
    return Text.assemble(
        (f"supervisor {status.pid}", "bold"),
        ", ",
        ("shadow, " if status.mode is Mode.SHADOW else "", "bold magenta"),
        (status.phase.value, _PHASES[status.phase]),
        f", up {duration(status.uptime_seconds)}, on {status.host}, {memory(status.memory_bytes)},"
        f" version {status.version}",
    )


def summary(status: SupervisorStatus) -> Iterator[Text]:
    """Return the state of the supervisor as a whole, line by line."""
    counts = status.shards
    yield line(
        "shards",
        f"{counts.desired} desired: {counts.running} running, {counts.draining} draining, ",
        Text(f"{counts.parked} parked", style="bold red" if counts.parked else ""),
    )
    yield line("backlog", _backlog(status))
    yield line("hottest", _hottest(status))
    budget = status.budget
    yield line("budget", budget_words(budget))
    if others := other_limits(budget):
        yield line("limits", others)
    if budget.paused_seconds > 0:
        pause = f"no request for {duration(budget.paused_seconds)}: the exchange limits our rate"
        yield line("pause", Text(pause, style="bold red"))
    if status.halted is not None:
        yield line("halt", Text(f"on: {status.halted}", style="bold red"))
    if status.shadow is not None:
        yield line("shadow", Text("nothing is written; ", style="magenta"), _found(status.shadow))


def history(status: SupervisorStatus) -> Iterator[Text]:
    """Return the totals since the start, line by line."""
    totals = status.totals
    yield line(
        "done",
        f"{totals.scanned:,} orders in {totals.cycles:,} cycles: {_outcome(totals, status.mode)}",
    )
    yield line(
        "workers",
        f"{totals.restarts:,} restarted, {totals.killed_hung:,} of them hung;"
        f" orders set aside: {totals.set_aside:,}",
    )


def shards_table(
    workers: Iterable[ShardStatus],
    *,
    width: int,
    marked: str | None = None,
    mark: str = "",
    has_faults: bool = False,
) -> Table:
    """Return a row for each worker; the title of column `marked` gets the `mark`.

    With `has_faults`, a wide table also has the last fault of each shard.
    """
    columns = SHARD_COLUMNS | FAULT_COLUMN if has_faults else SHARD_COLUMNS
    rows = map(_shard, workers)
    return fitting_table(columns, rows, width=width, marked=marked, mark=mark)


def _shard(worker: ShardStatus) -> Mapping[str, object]:
    return {
        "shard": worker.shard,
        "pid": _plain(worker.pid),
        "state": Text(worker.state.value.replace("_", " "), style=_STATES[worker.state]),
        "buckets": worker.buckets,
        "queued": worker.queued,
        "in flight": worker.in_flight,
        "done/s": worker.done_per_second,
        "memory": memory(worker.memory_bytes),
        "breaker": _breaker(worker),
        "deaths": worker.restarts,
        "up": "-" if worker.pid is None else duration(worker.age_seconds),
        "done": worker.done,
        LAST_FAULT: _fault(worker) or "",
    }


def faults(workers: Iterable[ShardStatus]) -> Iterator[Text]:
    """Return the last fault of each shard that had one, line by line."""
    for worker in workers:
        if fault := _fault(worker):
            yield Text.assemble((f"shard {worker.shard}, ", "bold"), fault)


def _fault(worker: ShardStatus) -> str | None:
    """Return a shard's last fault, its age first: a long text may be cut."""
    if worker.fault is None:
        return None
    age = worker.fault_age_seconds
    return f"{worker.fault}" if age is None else f"{duration(age)} ago: {worker.fault}"


def cycles_table(cycles: Iterable[CycleStatus], *, width: int) -> Table:
    """Return a row for each cycle."""
    return fitting_table(CYCLE_COLUMNS, map(_cycle, cycles), width=width)


def last_cycle(status: SupervisorStatus) -> Text:
    """Return the newest cycle in a line."""
    if not status.cycles:
        return line("cycle", "none has ended yet")
    cycle = status.cycles[0]
    return line(
        "cycle",
        f"{_ended(cycle)}: {cycle.scanned:,} scanned in"
        f" {_took(cycle)}, {_outcome(cycle, status.mode)}",
    )


def _backlog(status: SupervisorStatus) -> str:
    backlog = status.backlog
    if backlog is None:
        return "not measured yet"
    counted = f"(counted {duration(backlog.measured_seconds_ago)} ago)"
    if not backlog.items:
        return f"nothing stale {counted}"
    # The age as of now, as the verdict has it: what was the oldest then has not been synced since.
    age = backlog.oldest_age_seconds + backlog.measured_seconds_ago
    return f"{backlog.items:,} stale, the oldest unsynced for {duration(age)} {counted}"


def _outcome(counts: CountFields, mode: Mode) -> str:
    """Return what became of orders; a shadow changes and holds none."""
    changed, held = ("changed", "held") if mode is Mode.LIVE else ("differed", "to hold")
    return f"{counts.discrepancies:,} {changed}, {counts.errors:,} failed, {counts.held:,} {held}"


def _found(shadow: ShadowFigures) -> str:
    changes = shadow.changes
    median = changes.median_seconds
    later = "" if median is None else f" (median {duration(median)} later)"
    return (
        f"{changes.would_change:,} would be changed; the application got"
        f" {changes.caught_up:,} by itself{later}, {changes.not_yet:,} not yet"
    )


def _hottest(status: SupervisorStatus) -> str:
    hottest = status.hottest[:MAX_KEYS]
    return ", ".join(f"{key.key} {key.items:,}" for key in hottest) or "nothing is waiting"


def _breaker(worker: ShardStatus) -> Text:
    if worker.breaker is None:
        return Text("-")
    word = worker.breaker.replace("_", "-")
    if worker.breaker == "open" and worker.breaker_retry_seconds > 0:
        word = f"{word} {duration(worker.breaker_retry_seconds)}"
    return Text(word, style=_BREAKERS.get(worker.breaker, ""))


def _cycle(cycle: CycleStatus) -> Mapping[str, object]:
    return {
        "at (UTC)": _ended(cycle),
        "took": _took(cycle),
        "scanned": cycle.scanned,
        "changed": cycle.discrepancies,
        "failed": cycle.errors,
        "held": cycle.held,
        "locked": cycle.skipped_locked,
        "requests": cycle.requests,
        "weight": cycle.weight,
    }


def _ended(cycle: CycleStatus) -> str:
    return clock(cycle.finished_at)


def _took(cycle: CycleStatus) -> str:
    return elapsed(cycle.duration_ms / 1000)


def _plain(number: int | None) -> str:
    """Return a number that is a name, without thousands separators."""
    return "-" if number is None else str(number)
