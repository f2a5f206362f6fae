"""`reconciler run`: the supervisor."""

import sys
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from reconciler.cli.options import json_option, setting_option
from reconciler.cli.output import print_json, print_table
from reconciler.cli.report import Report
from reconciler.cli.supervise import exit_code_of_ending, parent_logs, supervise
from reconciler.settings import Settings
from reconciler.supervisor.parent import Options
from reconciler.worker.orders import OrderWorkload
from reconciler.worker.workload import Proposal


def options_of(settings: Settings, *, is_once: bool) -> Options:
    """Return the supervisor's part of the settings."""
    return Options(
        shards=settings.shards,
        batch_size=settings.batch_size,
        interval=settings.interval,
        drain=timedelta(seconds=settings.drain_seconds),
        rate_share=settings.rate_share,
        is_once=is_once,
    )


@click.command("run")
@setting_option("--shards", "shards", "Worker processes on this host.", type=int, metavar="N")
@setting_option(
    "--interval-ms",
    "interval_ms",
    "Pause between cycles without a backlog.",
    type=int,
    metavar="MS",
)
@setting_option(
    "--stale-minutes",
    "stale_minutes",
    "An open order unsynced for longer is stale.",
    type=float,
    metavar="MIN",
)
@setting_option(
    "--batch-size", "batch_size", "Orders per shard and hand-out.", type=int, metavar="N"
)
@click.option(
    "--dry-run", is_flag=True, help="Fetch and decide, show what would change, write nothing."
)
@click.option("--once", is_flag=True, help="Work off everything that is stale, report, and end.")
@json_option
def run_command(*, dry_run: bool, once: bool, as_json: bool, **flags: Any) -> None:
    r"""Keep the orders true: run the supervisor and its workers until told to stop.

    \b
    Stop it with TERM or INT: what is in flight is finished, then it exits 0. A second signal is
    fast. To see what it would do: reconciler run --once --dry-run
    """
    settings = Settings.load(**flags)
    parent_logs(settings)
    is_once = once or dry_run
    workload = OrderWorkload(settings=settings, is_dry_run=dry_run)
    started = time.monotonic()
    summary = supervise(workload, options_of(settings, is_once=is_once), settings)
    report = Report.of(summary, seconds=time.monotonic() - started, shards=settings.shards)
    if dry_run:
        _print_proposals(summary.proposals, report, as_json=as_json)
    elif once or as_json:
        report.print(as_json=as_json)
    if summary.trouble is not None and not report.is_complete:
        click.echo(f"stopped early: {summary.trouble}", err=True)
    sys.exit(exit_code_of_ending(summary.ending, is_complete=report.is_complete))


def _print_proposals(proposals: list[Proposal], report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(report), "changes": [asdict(proposal) for proposal in proposals]})
        return
    rows = [
        (
            proposal.order_id,
            proposal.symbol,
            f"{proposal.before['status']} -> {proposal.after['status']}",
            f"{proposal.before['executed_qty']} -> {proposal.after['executed_qty']}",
            f"{proposal.before['avg_price'] or '-'} -> {proposal.after['avg_price'] or '-'}",
            proposal.rule,
        )
        for proposal in proposals
    ]
    columns = ["order", "symbol", "status", "executed_qty", "avg_price", "rule"]
    print_table(columns, rows, title="What would change (nothing was written)")
    report.print(as_json=False)
