"""The screen of `top`, and the effect of its keys. Pure.

The screen fits any terminal: a narrow one shows fewer columns, a low one leaves out the lines that
matter least, and shards that do not fit are counted. What is left out last is the verdict.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reconciler.cli.ui import status_view, verdict_view
from reconciler.cli.ui.top_help import help_lines
from reconciler.formatting import duration
from reconciler.health_report import HealthReport, HealthSource
from reconciler.supervisor.status import ShardStatus, SupervisorStatus

MAX_FAULTS = 3
_REASON_IMPORTANCE = (100, 73, 59, 58, 57, 56)
MAX_REASONS = len(_REASON_IMPORTANCE)

MIN_SHARE_OF_SHARDS = 4
"""A low screen leaves out other lines before its shards have less than this part of its height."""

_TABLE_HEADER = 2
_LEAST_CYCLES = 3
_FOOTER = (("s", "sort"), ("r", "reverse"), ("p", "pause"), ("?", "help"), ("q", "quit"))

_SORTS: Mapping[str, Callable[[ShardStatus], float]] = {
    "shard": lambda worker: -worker.shard,
    "buckets": lambda worker: worker.buckets,
    "queued": lambda worker: worker.queued,
    "in flight": lambda worker: worker.in_flight,
    "done/s": lambda worker: worker.done_per_second,
    "memory": lambda worker: worker.memory_bytes or 0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A status that is `age_seconds` old; `fault` is why there is no newer one.

    `status` is None while no supervisor has answered since the start of `top`. `health` is the
    verdict of the supervisor or, while it is away, of the database; None before the first answer.
    """

    status: SupervisorStatus | None
    fault: str | None
    age_seconds: float
    health: HealthReport | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewOptions:
    """The order of the shards, the largest first (numbers ascend); whether paused; the help."""

    sort: str = "shard"
    is_reversed: bool = False
    is_paused: bool = False
    has_help: bool = False

    def sorted(self, workers: Sequence[ShardStatus]) -> list[ShardStatus]:
        """Return the workers in order."""
        by_number = sorted(workers, key=lambda worker: worker.shard)
        return sorted(by_number, key=_SORTS[self.sort], reverse=not self.is_reversed)


def options_after_key(key: str, options: ViewOptions) -> ViewOptions | None:
    """Return the options after a key; None to quit."""
    if key.lower() == "q":
        return None
    if options.has_help or key == "?":
        return replace(options, has_help=not options.has_help)
    match key.lower():
        case "s":
            columns = list(_SORTS)
            next_column = columns[(columns.index(options.sort) + 1) % len(columns)]
            return replace(options, sort=next_column, is_reversed=False)
        case "r":
            return replace(options, is_reversed=not options.is_reversed)
        case "p" | " ":
            return replace(options, is_paused=not options.is_paused)
        case _:
            return options


def render_screen(
    snapshot: Snapshot, options: ViewOptions, *, width: int, height: int
) -> RenderableType:
    """Return the screen, `height` lines high and at most `width` columns wide."""
    if options.has_help:
        return Group(*_cut(help_lines()[:height]))
    status = snapshot.status
    if status is None:
        return _without_shards(snapshot, options, width, height)
    shards = len(status.workers)
    table = _shards(status, options, width, shards)
    least_rows = min(shards, max(1, height // MIN_SHARE_OF_SHARDS))
    lines = list(_lines(snapshot, options, width, has_fault_column=_has_faults(table)))
    lines = _leave_out(lines, height - least_rows - _TABLE_HEADER)
    room = height - len(lines) - _TABLE_HEADER
    if room < 1:
        return Group(*_cut(line.text for line in lines[:height]))
    above = [line.text for line in lines if line.is_above]
    below = [line.text for line in lines if not line.is_above]
    if shards > room > 1:
        below = [Text(f"and {shards - room + 1} more shards", style="dim"), *below]
        room -= 1
    table = _shards(status, options, width, room)
    filling = _filling(status, width, max(0, room - shards))
    return Group(*_cut(above), table, *filling, *_cut(below))


def _without_shards(
    snapshot: Snapshot, options: ViewOptions, width: int, height: int
) -> RenderableType:
    """Return the screen while no supervisor has answered: what the database knows."""
    lines = _leave_out(list(_lines(snapshot, options, width, has_fault_column=False)), height)
    above = [line.text for line in lines if line.is_above]
    below = [line.text for line in lines if not line.is_above]
    return Group(*_cut(above), *_blank_lines(height - len(lines)), *_cut(below))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """A line above or below the shards; one with a lower `importance` is left out first."""

    text: Text
    importance: int
    is_above: bool = True


def _lines(
    snapshot: Snapshot, options: ViewOptions, width: int, *, has_fault_column: bool
) -> Iterator[_Line]:
    status, health = snapshot.status, snapshot.health
    verdict = list(verdict_view.verdict_lines(health, width=width))
    for number, text in enumerate(verdict[:MAX_REASONS]):
        yield _Line(text=text, importance=_REASON_IMPORTANCE[number])
    if hidden := len(verdict[MAX_REASONS:]):
        more = f"and {hidden} more reasons: reconciler health"
        yield _Line(text=verdict_view.line("", more), importance=54)
    if snapshot.fault is not None:
        yield from (_Line(text=text, importance=95) for text in _away(snapshot))
    elif options.is_paused:
        paused = Text("paused; press p to continue", style="bold yellow")
        yield _Line(text=paused, importance=95)
    yield from () if status is None else _of_supervisor(status)
    if (holds := verdict_view.holds_line(health)) is not None:
        yield _Line(text=holds, importance=70)
    if snapshot.fault is not None and health is not None and health.rows:
        yield _Line(text=Text(), importance=10)
        yield _Line(text=Text("what the database knows", style="bold"), importance=55)
        yield from (_Line(text=text, importance=50) for text in verdict_view.row_lines(health))
    yield _Line(text=Text(), importance=20)
    yield _Line(text=Text(), importance=5, is_above=False)
    if status is not None:
        yield from _below_shards(status, has_fault_column=has_fault_column)
    yield _Line(text=_footer(), importance=85, is_above=False)


def _of_supervisor(status: SupervisorStatus) -> Iterator[_Line]:
    yield _Line(text=status_view.headline(status), importance=75)
    for text in status_view.summary(status):
        importance = _IMPORTANCE.get(text.plain.split(maxsplit=1)[0], 60)
        yield _Line(text=text, importance=importance)


def _below_shards(status: SupervisorStatus, *, has_fault_column: bool) -> Iterator[_Line]:
    faults = () if has_fault_column else islice(status_view.faults(status.workers), MAX_FAULTS)
    yield from (_Line(text=text, importance=40, is_above=False) for text in faults)
    yield _Line(text=status_view.last_cycle(status), importance=30, is_above=False)


_IMPORTANCE = {
    "shards": 45,
    "hottest": 35,
    "backlog": 72,
    "budget": 65,
    "limits": 32,
    "pause": 93,
    "halt": 94,
}
"""How much the lines of the summary matter, by their labels."""


def _away(snapshot: Snapshot) -> Iterator[Text]:
    """Return lines that say that the supervisor does not answer, and who gives the verdict."""
    style = "bold red"
    if snapshot.status is None:
        yield Text(f"no supervisor answers: {snapshot.fault}; asking again", style)
        yield Text(
            "below is what the database knows; start one with: reconciler run", "bold yellow"
        )
        return
    yield Text(
        f"no answer for {duration(snapshot.age_seconds)}: {snapshot.fault}; asking again", style
    )
    health = snapshot.health
    if health is not None and health.source is HealthSource.DATABASE:
        yield Text(
            "the verdict is the database's; below is the supervisor's last answer", "bold yellow"
        )


def _leave_out(lines: Sequence[_Line], room: int) -> list[_Line]:
    """Return the lines that fit, in their order."""
    kept = list(lines)
    for line in sorted(lines, key=lambda line: line.importance):
        if len(kept) <= max(room, 1):
            break
        kept.remove(line)
    return kept


def _shards(status: SupervisorStatus, options: ViewOptions, width: int, shown: int) -> Table:
    return status_view.shards_table(
        options.sorted(status.workers)[:shown],
        width=width,
        marked=options.sort,
        mark=_mark(options),
        has_faults=any(worker.fault for worker in status.workers),
    )


def _has_faults(table: Table) -> bool:
    return any(str(column.header) == status_view.LAST_FAULT for column in table.columns)


def _filling(status: SupervisorStatus, width: int, blank: int) -> list[RenderableType]:
    """Return what fills `blank` lines: the cycles before the last one, if some fit."""
    cycles = status.cycles[1 : max(1, blank - 1)]
    if len(cycles) < _LEAST_CYCLES:
        return _blank_lines(blank)
    table = status_view.cycles_table(cycles, width=width)
    return [Text(), table, *_blank_lines(blank - len(cycles) - 2)]


def _blank_lines(number: int) -> list[RenderableType]:
    return [Text("\n" * (number - 1))] if number > 0 else []


def _cut(lines: Iterable[Text]) -> list[Text]:
    cut = list(lines)
    for line in cut:
        line.no_wrap = True
        line.overflow = "ellipsis"
    return cut


def _mark(options: ViewOptions) -> str:
    is_descending = (options.sort == "shard") is options.is_reversed
    return " v" if is_descending else " ^"


def _footer() -> Text:
    return Text("   ").join(
        Text.assemble((f" {key} ", "reverse"), f" {does}") for key, does in _FOOTER
    )
