"""Every comparison there is, in the order in which they run."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from reconciler.errors import ConfigurationError, Problem
from reconciler.extras import install_hint
from reconciler.trial.scratch_database import ScratchDatabase, open_scratch_database
from scripts.benchmark import machine
from scripts.benchmark.figures import Comparison
from scripts.benchmark.rounds import Progress
from scripts.benchmark.size import Size


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """All figures, with time, machine and versions."""

    measured_at: datetime
    machine: Mapping[str, object]
    versions: Mapping[str, str | None]
    database: Mapping[str, str]
    size: Size
    seconds: float
    comparisons: tuple[Comparison, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "measured_at": self.measured_at.isoformat(timespec="minutes"),
            "machine": self.machine,
            "versions": self.versions,
            "database": self.database,
            "rounds": self.size.rounds,
            "orders": self.size.orders,
            "workers": self.size.workers,
            "batch_size": self.size.batch_size,
            "quick": self.size.is_quick,
            "seconds": round(self.seconds, 1),
            "comparisons": [comparison.as_json() for comparison in self.comparisons],
        }


def run(
    keys: Sequence[str],
    size: Size,
    *,
    lent_url: str | None,
    on_progress: Progress,
    on_comparison: Callable[[Comparison], None],
) -> BenchReport:
    """Run the comparisons named, on one database; `on_comparison` is told each when it is done.

    Raises:
        BenchFailed: a contender did less than asked.
        ConfigurationError: an extra is missing, or the database is refused.
    """
    started = time.monotonic()
    comparisons = [_load(key) for key in keys]
    on_progress("opening the database")
    with open_scratch_database(
        lent_url, needed_megabytes=size.needed_megabytes(is_growing="growth" in keys)
    ) as scratch:
        measured_at = datetime.now(UTC)
        where = machine.machine()
        found: list[Comparison] = []
        for key, compare in zip(keys, comparisons, strict=True):
            found.append(_run_one(key, compare, scratch, size, on_progress))
            on_comparison(found[-1])
        return BenchReport(
            measured_at=measured_at,
            machine=where,
            versions=machine.versions(scratch),
            database=scratch.settings(),
            size=size,
            comparisons=tuple(found),
            seconds=time.monotonic() - started,
        )


Compare = Callable[[ScratchDatabase, Size, Progress], Comparison]


def _load(key: str) -> Compare:
    """Import a comparison with all that takes part in it.

    Raises:
        ConfigurationError: something of it is not installed.
    """
    try:
        return COMPARISONS[key]()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("reconciler"):
            raise
        raise ConfigurationError(
            [
                Problem(
                    what=f"the comparison {key} needs the package {error.name!r}, which is not"
                    " installed",
                    hint=install_hint("bench"),
                )
            ]
        ) from error


def _store() -> Compare:
    from scripts.benchmark.store.compare import compare_store  # noqa: PLC0415 - needs the extra

    return compare_store


def _steady_state() -> Compare:
    from scripts.benchmark.steady_state.compare import (  # noqa: PLC0415 - needs the extra
        compare_steady_state,
    )

    return compare_steady_state


def _end_to_end() -> Compare:
    from scripts.benchmark.end_to_end.compare import (  # noqa: PLC0415 - needs the extra
        compare_end_to_end,
    )

    return compare_end_to_end


def _lookups() -> Compare:
    from scripts.benchmark.lookups.compare import compare_lookups  # noqa: PLC0415 - needs the extra

    return compare_lookups


def _exchange_cost() -> Compare:
    from scripts.benchmark.exchange_cost.compare import (  # noqa: PLC0415 - only when wanted
        compare_exchange_cost,
    )

    return compare_exchange_cost


def _footprint() -> Compare:
    from scripts.benchmark.footprint.compare import (  # noqa: PLC0415 - needs the extra
        compare_footprint,
    )

    return compare_footprint


def _growth() -> Compare:
    from scripts.benchmark.growth.compare import compare_growth  # noqa: PLC0415 - only when wanted

    return compare_growth


def _upkeep() -> Compare:
    from scripts.benchmark.upkeep.compare import compare_upkeep  # noqa: PLC0415 - only when wanted

    return compare_upkeep


def _adoption() -> Compare:
    from scripts.benchmark.adoption.compare import (  # noqa: PLC0415 - only when wanted
        compare_adoption,
    )

    return compare_adoption


COMPARISONS: Mapping[str, Callable[[], Compare]] = MappingProxyType(
    {
        "store": _store,
        "steady-state": _steady_state,
        "end-to-end": _end_to_end,
        "lookups": _lookups,
        "exchange-cost": _exchange_cost,
        "footprint": _footprint,
        "growth": _growth,
        "upkeep": _upkeep,
        "adoption": _adoption,
    }
)
"""By key: what imports a comparison."""


def _run_one(
    key: str, compare: Compare, scratch: ScratchDatabase, size: Size, on_progress: Progress
) -> Comparison:
    scratch.clear()
    return compare(scratch, size, lambda what: on_progress(f"{key}: {what}"))
