"""`reconciler run`: the supervisor."""

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from reconciler.cli.exit_codes import Exit
from reconciler.cli.logs import set_up_supervisor_logs
from reconciler.cli.proposed_changes import ProposedChanges
from reconciler.cli.run_notices import (
    explain_empty_sweep,
    explain_orders_left,
    warn_if_exchange_implied,
    warn_if_passphrase_unused,
    warn_of_unfollowed_orders,
)
from reconciler.cli.run_report import RunReport
from reconciler.cli.runner import (
    exit_code_of_stop,
    make_reload,
    print_early_stop,
    run_supervisor,
)
from reconciler.cli.shadow import run_shadow
from reconciler.cli.ui.options import (
    environment_option,
    json_option,
    once_option,
    setting_option,
    shards_option,
)
from reconciler.cli.ui.output import print_json
from reconciler.cli.ui.progress import ReconcileProgress
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.orders.dry_run import DryRunWorkload
from reconciler.orders.workload import OrderWorkload
from reconciler.resilience.limits import weight_of
from reconciler.settings import Settings
from reconciler.store.coverage import Coverage
from reconciler.supervisor.summary import StopReason, Summary
from reconciler.workload import Workload


@click.command(
    "run",
    epilog="""\b
Try it:
  reconciler run --once --dry-run   see what it would change; writes nothing
  reconciler run --dry-run          go on with that for days: a shadow
  reconciler run --once             reconcile all stale orders, then exit
  reconciler run --shards 2         keep reconciling, with two workers

\b
DATABASE_URL and EXCHANGE_NAME say which database and exchange. All settings,
with LOG_LEVEL and STATSD_HOST: docs/reference/settings.md""",
)
@shards_option
@setting_option(
    "--interval-ms", "interval_ms", "Pause between sweeps, in milliseconds.", metavar="MS"
)
@setting_option(
    "--stale-minutes", "stale_minutes", "An open order unsynced for longer is stale.", metavar="MIN"
)
@setting_option("--batch-size", "batch_size", "Orders in one batch of a worker.", metavar="N")
@environment_option(
    "--dry-run",
    variable="RECONCILIATION_DRY_RUN",
    help_text="Fetch and decide, count what would change, write nothing; with --once, print it.",
    is_flag=True,
)
@once_option
@json_option
def run_command(*, dry_run: bool, once: bool, as_json: bool, **flags: Any) -> None:
    """Reconcile stale orders: run the supervisor and its workers until stopped.

    TERM or INT (Ctrl-C) stops it after the orders in flight are finished; a second one at once.

    Exits with code 0 when stopped or when everything is done; 1 if workers had to be killed at the
    stop or, with --once, if orders failed, are on hold or were locked; 69 if the database is away;
    75 if the exchange is; 78 if the configuration is wrong.
    """
    settings = Settings.load(**flags)
    set_up_supervisor_logs(settings, is_once=once)
    warn_if_exchange_implied(settings)
    warn_if_passphrase_unused(settings)
    coverage = warn_of_unfollowed_orders(settings)
    if dry_run and not once:
        summary = run_shadow(settings, flags, as_json=as_json)
        print_early_stop(summary)
        sys.exit(_exit_code(summary))
    changes = ProposedChanges() if dry_run else None
    started = time.monotonic()
    summary = _sweep_once(settings, changes) if once else _keep_running(settings, flags)
    report = RunReport.of(
        summary,
        seconds=time.monotonic() - started,
        shards=settings.shards,
        lookup_weight=weight_of(configured_venue(settings).lookup_cost),
        not_followed=0 if coverage is None else coverage.not_followed,
        remarks=_remarks(settings, coverage, summary),
    )
    if changes is not None:
        _print_changes(changes, report, as_json=as_json)
    elif once or as_json:
        report.print(as_json=as_json)
    print_early_stop(summary)
    sys.exit(_exit_code(summary, is_complete=report.is_complete))


def _exit_code(summary: Summary, *, is_complete: bool = True) -> Exit:
    return exit_code_of_stop(
        summary.ending, is_complete=is_complete, killed_at_stop=summary.killed_at_stop
    )


def _remarks(settings: Settings, coverage: Coverage | None, summary: Summary) -> tuple[str, ...]:
    """Return notices about rows that are not followed, and about orders that were not written."""
    known = () if coverage is None else coverage.remarks
    if summary.ending is not StopReason.COMPLETED:
        return known
    if not summary.counts.scanned:
        return (*known, *explain_empty_sweep(settings))
    return (*known, *explain_orders_left(summary))


def _sweep_once(settings: Settings, changes: ProposedChanges | None) -> Summary:
    """Run one sweep; with `changes`, collect there what would change and write nothing."""
    workload: Workload = (
        _workload_of(settings)
        if changes is None
        else DryRunWorkload(settings=settings, take=changes.take)
    )
    with ReconcileProgress(has_lines=False) as progress:
        return run_supervisor(workload, settings, is_once=True, on_progress=progress.update)


def _keep_running(settings: Settings, flags: Mapping[str, Any]) -> Summary:
    """Run until stopped."""
    return run_supervisor(
        _workload_of(settings),
        settings,
        is_once=False,
        reload=make_reload(_workload_of, settings, flags),
    )


def _workload_of(settings: Settings) -> OrderWorkload:
    return OrderWorkload(settings=settings)


def _print_changes(changes: ProposedChanges, report: RunReport, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(report), "changes": changes.for_json()})
    else:
        changes.print()
        report.print(as_json=False)
