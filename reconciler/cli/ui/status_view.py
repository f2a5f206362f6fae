"""The view of a supervisor's status, within 80 columns. Pure.

`status` prints all of it once; `top` prints as much as fits the screen, again and again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from reconciler.cli.ui.output import cell_text
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

LABEL_WIDTH = 9
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

# Each column with its least width, so that the table does not move when a number grows.
SHARD_COLUMNS = {
    "shard": 5,
    "pid": 7,
    "state": 11,
    "buckets": 7,
    "queued": 6,
    "in flight": 6,
    "done/s": 6,
    "memory": 6,
    "breaker": 10,
}
CYCLE_COLUMNS = {
    "at (UTC)": 8,
    "took": 6,
    "scanned": 7,
    "changed": 7,
    "failed": 6,
    "held": 4,
    "locked": 6,
    "requests": 8,
    "weight": 6,
}
_WORDS = frozenset({"state", "breaker", "at (UTC)"})


def headline(status: SupervisorStatus) -> Text:
    """Return which supervisor answers, and what it is doing."""
    return Text.assemble(
        (f"supervisor {status.pid}", "bold"),
        f" on {status.host}, version {status.version}, ",
        ("shadow, " if status.mode is Mode.SHADOW else "", "bold magenta"),
        (status.phase.value, _PHASES[status.phase]),
        f", up {duration(status.uptime_seconds)}, {memory(status.memory_bytes)}",
    )


def summary(status: SupervisorStatus) -> Iterator[Text]:
    """Return the state of the supervisor as a whole, line by line."""
    counts = status.shards
    yield _line(
        "shards",
        f"{counts.desired} desired: {counts.running} running, {counts.draining} draining, ",
        Text(f"{counts.parked} parked", style="bold red" if counts.parked else ""),
    )
    yield _line("backlog", _backlog(status))
    yield _line("hottest", _hottest(status))
    budget = status.budget
    pause = (
        Text(f"; rate-limit pause for {duration(budget.paused_seconds)} more", style="bold red")
        if budget.paused_seconds > 0
        else ""
    )
    yield _line(
        "budget", f"{budget.used:,} of {budget.limit_per_minute:,} weight this minute", pause
    )
    if status.halted is not None:
        yield _line("halt", Text(f"on: {status.halted}", style="bold red"))
    if status.shadow is not None:
        yield _line("shadow", Text("nothing is written; ", style="magenta"), _found(status.shadow))


def history(status: SupervisorStatus) -> Iterator[Text]:
    """Return the totals since the start, line by line."""
    totals = status.totals
    yield _line(
        "done",
        f"{totals.scanned:,} orders in {totals.cycles:,} cycles: {_outcome(totals, status.mode)}",
    )
    yield _line(
        "workers",
        f"{totals.restarts:,} restarted, {totals.killed_hung:,} of them hung;"
        f" orders set aside: {totals.set_aside:,}",
    )


def shards_table(
    workers: Iterable[ShardStatus], *, marked: str | None = None, mark: str = ""
) -> Table:
    """Return a row for each worker; the title of column `marked` gets the `mark`."""
    rows = [
        (
            worker.shard,
            _plain(worker.pid),
            Text(worker.state.value.replace("_", " "), style=_STATES[worker.state]),
            worker.buckets,
            worker.queued,
            worker.in_flight,
            worker.done_per_second,
            memory(worker.memory_bytes),
            _breaker(worker),
        )
        for worker in workers
    ]
    return _table(SHARD_COLUMNS, rows, marked=marked, mark=mark)


def faults(workers: Iterable[ShardStatus]) -> Iterator[Text]:
    """Return the last fault of each shard that had one, line by line."""
    for worker in workers:
        if worker.fault is not None:
            age = worker.fault_age_seconds
            when = "" if age is None else f", {duration(age)} ago"
            yield Text.assemble((f"shard {worker.shard}{when}: ", "bold"), worker.fault)


def cycles_table(cycles: Iterable[CycleStatus]) -> Table:
    """Return a row for each cycle."""
    return _table(CYCLE_COLUMNS, [_cycle(cycle) for cycle in cycles])


def last_cycle(status: SupervisorStatus) -> Text:
    """Return the newest cycle in a line."""
    if not status.cycles:
        return _line("cycle", "none has ended yet")
    cycle = status.cycles[0]
    return _line(
        "cycle",
        f"{_ended(cycle)}: {cycle.scanned:,} scanned in"
        f" {_took(cycle)}, {_outcome(cycle, status.mode)}",
    )


def _line(label: str, *parts: str | Text) -> Text:
    return Text.assemble((f"{label:<{LABEL_WIDTH}}", "bold"), *parts)


def _backlog(status: SupervisorStatus) -> str:
    backlog = status.backlog
    if backlog is None:
        return "not measured yet"
    if not backlog.items:
        return f"nothing stale ({duration(backlog.measured_seconds_ago)} ago)"
    return (
        f"{backlog.items:,} stale, the oldest unsynced for"
        f" {duration(backlog.oldest_age_seconds)} ({duration(backlog.measured_seconds_ago)} ago)"
    )


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


def _cycle(cycle: CycleStatus) -> Sequence[object]:
    return (
        _ended(cycle),
        _took(cycle),
        cycle.scanned,
        cycle.discrepancies,
        cycle.errors,
        cycle.held,
        cycle.skipped_locked,
        cycle.requests,
        cycle.weight,
    )


def _ended(cycle: CycleStatus) -> str:
    return clock(cycle.finished_at)


def _took(cycle: CycleStatus) -> str:
    return elapsed(cycle.duration_ms / 1000)


def _plain(number: int | None) -> str:
    """Return a number that is a name, without thousands separators."""
    return "-" if number is None else str(number)


def _title(column: str, mark: str) -> str:
    """Return a title of at most two lines; the mark is on the first, where it needs no width."""
    above, below = ("in", "flight") if column == "in flight" else ("", column)
    return f"{above}{mark}\n{below}" if above or mark else below


def _table(
    columns: Mapping[str, int],
    rows: Iterable[Sequence[object]],
    *,
    marked: str | None = None,
    mark: str = "",
) -> Table:
    """Return a table without rules: 80 columns have no room for them."""
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    for column, width in columns.items():
        is_marked = column == marked
        table.add_column(
            Text(_title(column, mark if is_marked else ""), style="reverse" if is_marked else ""),
            justify="left" if column in _WORDS else "right",
            vertical="bottom",
            min_width=width,
            no_wrap=True,
        )
    for row in rows:
        table.add_row(*(cell_text(cell) for cell in row))
    return table
