"""One trial: a sweep of the real supervisor over the sample, against an exchange of its own."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types

from reconciler.errors import StoreUnavailable
from reconciler.orders.workload import OrderWorkload
from reconciler.paper.process import PaperProcess
from reconciler.settings import Settings
from reconciler.store.stale_order import StaleOrder
from reconciler.supervisor.coordinator import CYCLE_SECONDS
from reconciler.supervisor.halt import HaltPolicy
from reconciler.supervisor.summary import StopReason
from reconciler.trial.sweep import Sweep, SweepFailed, options_of, sweep
from reconciler.tune.trial_result import Allowance, TimeSpent, TrialResult
from reconciler.tune.trial_workload import TrialWorkload, read_time_spent

NO_HALT = HaltPolicy(share=1.0)


@dataclass(frozen=True, kw_only=True)
class TrialSetup:
    """The parts that all trials share.

    Attributes:
        settings: Those of the trials: their own exchange, and the database to read or to write.
        restore: Makes the rows what they were; called before each trial.
        set_up_worker: As the supervisor's.
        time_limit: How long a trial assigns work.
    """

    settings: Settings
    is_dry_run: bool
    exchange: PaperProcess
    orders: Sequence[StaleOrder]
    allowance: Allowance
    restore: Callable[[], None]
    set_up_worker: Callable[[int], Callable[[], None]]
    time_limit: timedelta


def run_trial(
    setup: TrialSetup, *, shards: int, batch_size: int, on_progress: Callable[[Sweep], None]
) -> TrialResult:
    """Sweep the sample once, with this number of shards and this batch size.

    Raises:
        KeyboardInterrupt: a signal ended it.
        StoreUnavailable: the database went away.
        SweepFailed: it ended early for another reason.
    """
    setup.restore()
    settings = setup.settings.model_copy(update={"shards": shards, "batch_size": batch_size})
    cpu_meter = _CpuMeter(setup.exchange.pid)

    def record(measured: Sweep) -> None:
        cpu_meter.record()
        on_progress(measured)

    with tempfile.TemporaryDirectory(prefix="reconciler-tune-") as folder:
        measured = sweep(
            TrialWorkload(
                OrderWorkload(settings=settings, is_dry_run=setup.is_dry_run),
                setup.orders,
                cycle_cost=round(setup.allowance.weight_per_second * CYCLE_SECONDS),
                time_limit=setup.time_limit,
                folder=Path(folder),
            ),
            options_of(settings, halt=NO_HALT),
            set_up_worker=setup.set_up_worker,
            on_ready=cpu_meter.begin,
            on_progress=record,
        )
        spent = read_time_spent(Path(folder))
    _require_completed(measured)
    return _result(measured, settings, spent, cpu_meter)


def _require_completed(measured: Sweep) -> None:
    match measured.summary.ending:
        case StopReason.COMPLETED:
            return
        case StopReason.STOPPED:
            raise KeyboardInterrupt
        case StopReason.STORE_GONE:
            raise StoreUnavailable(measured.summary.fault or "the database went away")
        case _:
            raise SweepFailed(f"a trial ended early: {measured.summary.fault}")


def _result(
    measured: Sweep, settings: Settings, spent: TimeSpent, cpu_meter: "_CpuMeter"
) -> TrialResult:
    counts, seconds = measured.summary.counts, measured.seconds
    return TrialResult(
        shards=settings.shards,
        batch_size=settings.batch_size,
        orders=counts.scanned - counts.errors,
        failed=counts.errors,
        seconds=seconds,
        weight=counts.weight,
        requests=counts.requests,
        spent=spent,
        machine_busy=cpu_meter.machine_busy,
        exchange_busy=cpu_meter.exchange_core_seconds / seconds if seconds else 0.0,
    )


class _CpuMeter:
    """Measures how busy the machine and one process were, from `begin` to the last `record`."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._first = self._last = self._read()

    def begin(self) -> None:
        self._first = self._last = self._read()

    def record(self) -> None:
        self._last = self._read()

    @property
    def machine_busy(self) -> float:
        """The busy share of all cores' time."""
        passed = self._last[0] - self._first[0]
        return (self._last[1] - self._first[1]) / passed if passed > 0 else 0.0

    @property
    def exchange_core_seconds(self) -> float:
        """The CPU time of the process."""
        return self._last[2] - self._first[2]

    def _read(self) -> tuple[float, float, float]:
        """Read the seconds of all cores, the busy ones of these, and those of the process."""
        cores = psutil.cpu_times()
        # On Linux the time of guests is also part of the user's.
        whole = sum(cores) - getattr(cores, "guest", 0.0) - getattr(cores, "guest_nice", 0.0)
        idle = cores.idle + getattr(cores, "iowait", 0.0)
        own = self._process.cpu_times()
        return whole, whole - idle, own.user + own.system
