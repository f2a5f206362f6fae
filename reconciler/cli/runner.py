"""Run a supervisor from a command, and turn its end into an exit code and a message."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, assert_never

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.logs import worker_logs_setup
from reconciler.cli.statsd_notices import require_or_warn_of_statsd
from reconciler.control.address import ControlAddress
from reconciler.control.handlers import ControlHandlers
from reconciler.control.running_supervisor import control_address
from reconciler.control.server import ControlServer
from reconciler.errors import ConfigurationError, Problem
from reconciler.settings import Settings
from reconciler.supervisor.options import Options
from reconciler.supervisor.reload import RunConfig
from reconciler.supervisor.restarts import RestartPolicy
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.supervisor.supervisor import Supervisor
from reconciler.telemetry.statsd_client import StatsdMetrics
from reconciler.workload import Workload

S = TypeVar("S", bound=Settings)


def run_supervisor(
    workload: Workload,
    settings: Settings,
    *,
    is_once: bool,
    on_progress: Callable[[Summary], None] = lambda _: None,
    reload: Callable[[], RunConfig] | None = None,
) -> Summary:
    """Run a supervisor until it finishes or a signal stops it. `reload` is as in `Supervisor`."""
    run_config = run_config_of(workload, settings, is_once=is_once)
    open_control = None if is_once else partial(_open_control, control_address(settings))
    require_or_warn_of_statsd(settings)
    metrics = StatsdMetrics(settings.statsd)
    try:
        supervisor = Supervisor(
            run_config.workload,
            run_config.options,
            metrics=metrics,
            set_up_worker=run_config.set_up_worker,
            on_progress=on_progress,
            reload=reload,
            open_control=open_control,
        )
        return asyncio.run(supervisor.run())
    finally:
        metrics.close()


def _open_control(address: ControlAddress, supervisor: Supervisor) -> ControlServer:
    return ControlServer(address, ControlHandlers(supervisor).answer)


def run_config_of(workload: Workload, settings: Settings, *, is_once: bool) -> RunConfig:
    """Return the workload and the options that a supervisor runs with these settings."""
    return RunConfig(
        workload=workload,
        options=options_of(settings, is_once=is_once),
        set_up_worker=partial(worker_logs_setup, settings),
        statsd=settings.statsd,
    )


def make_reload(
    workload_of: Callable[[S], Workload], settings: S, flags: Mapping[str, Any]
) -> Callable[[], RunConfig]:
    """Return the function that HUP calls. It reads all sources again; flags override them.

    Another scope than that of `settings`, with which the program runs, is refused: its control
    socket, its metrics and what it remembers have that name.
    """

    def reload() -> RunConfig:
        fresh = type(settings).load(**flags)
        if fresh.scope != settings.scope:
            raise ConfigurationError([_OTHER_SCOPE])
        require_or_warn_of_statsd(fresh)
        return run_config_of(workload_of(fresh), fresh, is_once=False)

    return reload


_OTHER_SCOPE = Problem(
    what="the scope in reconciler.toml has changed: it is the name of the program that runs",
    hint="stop the program, and start it again with the new scope",
)


def options_of(settings: Settings, *, is_once: bool) -> Options:
    """Return the supervisor's part of the settings."""
    return Options(
        shards=settings.shards,
        batch_size=settings.batch_size,
        interval=settings.interval,
        drain=timedelta(seconds=settings.drain_seconds),
        rate_share=settings.rate_share,
        is_once=is_once,
        hang_after=timedelta(seconds=settings.hang_seconds),
        restarts=RestartPolicy(
            most=settings.restart_max,
            window=timedelta(milliseconds=settings.restart_window_ms),
        ),
    )


def exit_code_of_stop(ending: StopReason, *, is_complete: bool, killed_at_stop: int = 0) -> Exit:
    """Return the exit code for how a supervisor ended.

    Args:
        ending: Why it ended.
        is_complete: True if every order of a single sweep is done.
        killed_at_stop: The number of workers that were still running when the drain was over.
    """
    match ending:
        case StopReason.STORE_GONE:
            return Exit.UNAVAILABLE
        case StopReason.EXCHANGE_GONE | StopReason.HALTED:
            return Exit.TRY_AGAIN
        case StopReason.LOG_GONE:
            return Exit.OUTPUT_FAILED
        case StopReason.STOPPED:
            return Exit.INCOMPLETE if killed_at_stop else Exit.OK
        case StopReason.COMPLETED:
            return Exit.OK if is_complete else Exit.INCOMPLETE
        case _:
            assert_never(ending)


def print_early_stop(summary: Summary) -> None:
    """Print on standard error why a sweep ended early, and how many workers a drain killed."""
    if summary.killed_at_stop:
        click.echo(
            f"stopped, but {summary.killed_at_stop} workers had to be killed: what they had in"
            " flight is done at the next start\n"
            "  hint: raise RECONCILIATION_DRAIN_SECONDS, or see in the log what they waited for",
            err=True,
        )
    if summary.ending in {StopReason.STORE_GONE, StopReason.EXCHANGE_GONE, StopReason.HALTED}:
        click.echo(f"stopped early: {summary.fault}", err=True)
