"""The screen of `top`, and the effect of its keys. Pure.

The screen fits the terminal's height: shards that do not fit are counted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from rich.console import Group, RenderableType
from rich.text import Text

from reconciler.cli.ui import status_view
from reconciler.formatting import duration
from reconciler.supervisor.status import ShardStatus, SupervisorStatus

MAX_FAULTS = 3

_TABLE_HEADER = 2

_FOOTER = (("s", "sort by the next column"), ("r", "reverse"), ("p", "pause"), ("q", "quit"))

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
    """A status that is `age_seconds` old; `fault` is why there is no newer one."""

    status: SupervisorStatus
    fault: str | None
    age_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewOptions:
    """The order of the shards, the largest first (numbers ascend), and whether it is paused."""

    sort: str = "shard"
    is_reversed: bool = False
    is_paused: bool = False

    def sorted(self, workers: Sequence[ShardStatus]) -> list[ShardStatus]:
        """Return the workers in order."""
        by_number = sorted(workers, key=lambda worker: worker.shard)
        return sorted(by_number, key=_SORTS[self.sort], reverse=not self.is_reversed)


def options_after_key(key: str, options: ViewOptions) -> ViewOptions | None:
    """Return the options after a key; None to quit."""
    match key.lower():
        case "q":
            return None
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


def render_screen(snapshot: Snapshot, options: ViewOptions, *, height: int) -> RenderableType:
    """Return the screen, `height` lines high."""
    status = snapshot.status
    above = [*_header_lines(snapshot, options), Text()]
    below = [Text(), *islice(status_view.faults(status.workers), MAX_FAULTS)]
    below = [*below, status_view.last_cycle(status)]
    workers = options.sorted(status.workers)
    room = max(1, height - len(above) - _TABLE_HEADER - len(below) - 1)
    if len(workers) > room:
        hidden = len(workers) - room + 1
        workers = workers[: room - 1]
        below = [Text(f"and {hidden} more shards", style="dim"), *below]
    table = status_view.shards_table(workers, marked=options.sort, mark=_mark(options))
    lines = [*above, *below]
    for line in lines:
        line.no_wrap = True
        line.overflow = "ellipsis"
    blank = height - len(above) - _TABLE_HEADER - len(workers) - len(below) - 1
    padding = [Text("\n" * (blank - 1))] if blank > 0 else []
    return Group(*above, table, *below, *padding, _footer())


def _header_lines(snapshot: Snapshot, options: ViewOptions) -> Iterator[Text]:
    yield status_view.headline(snapshot.status)
    if snapshot.fault is not None:
        yield Text(
            f"no answer for {duration(snapshot.age_seconds)}: {snapshot.fault}; asking again",
            style="bold red",
        )
    elif options.is_paused:
        yield Text("paused; press p to continue", style="bold yellow")
    yield from status_view.summary(snapshot.status)


def _mark(options: ViewOptions) -> str:
    is_descending = (options.sort == "shard") is options.is_reversed
    return " v" if is_descending else " ^"


def _footer() -> Text:
    return Text("   ").join(
        Text.assemble((f" {key} ", "reverse"), f" {does}") for key, does in _FOOTER
    )
