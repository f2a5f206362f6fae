"""`reconciler scale`: change the number of shards of the running supervisor, or plan it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click

from reconciler.cli.logs import load_settings
from reconciler.cli.ui.options import environment_option, json_option
from reconciler.cli.ui.output import print_json, print_table
from reconciler.control.running_supervisor import ask_supervisor
from reconciler.errors import NoSupervisor
from reconciler.settings import MAX_SHARDS, Settings
from reconciler.supervisor.sharding import Scaling


@dataclass(frozen=True, kw_only=True)
class ScalingPlan:
    """The effect of a change of the number of shards.

    `unanswered` says why no supervisor answered, so that the change starts from the settings.
    """

    scaling: Scaling
    unanswered: str | None = None

    def as_json(self) -> Mapping[str, Any]:
        """Return the keys of the JSON report."""
        return {
            **asdict(self.scaling),
            "source": "supervisor" if self.unanswered is None else "settings",
            "shards": [
                {"shard": shard, "before": before, "after": after}
                for shard, before, after in self.scaling.shares
            ],
        }


@click.command(
    "scale",
    epilog="""\b
Try it:
  reconciler scale --plan 9
  reconciler scale 9""",
)
@click.argument("shards", metavar="N", type=click.IntRange(1, MAX_SHARDS))
@environment_option(
    "--plan",
    "is_plan",
    variable="RECONCILER_SCALE_PLAN",
    help_text="Show what would move, change nothing.",
    is_flag=True,
)
@json_option
def scale_command(*, shards: int, is_plan: bool, as_json: bool) -> None:
    """Set the number of shards of the running supervisor to N, without a restart.

    A bucket of symbols moves when its worker has finished what is in flight. After a restart
    RECONCILIATION_SHARDS counts again. Exits with code 69 if no supervisor answers; with --plan it
    then starts from RECONCILIATION_SHARDS.
    """
    settings = load_settings()
    if is_plan:
        _print_plan(_plan(settings, shards), as_json=as_json)
        return
    scaling = ask_supervisor(settings, "scale", Scaling, shards=shards)
    if as_json:
        print_json(scaling)
    else:
        click.echo(scaling.description)


def _plan(settings: Settings, shards: int) -> ScalingPlan:
    try:
        return ScalingPlan(
            scaling=ask_supervisor(settings, "scale", Scaling, shards=shards, plan=True)
        )
    except NoSupervisor as error:
        return ScalingPlan(scaling=Scaling.between(settings.shards, shards), unanswered=str(error))


def _print_plan(plan: ScalingPlan, *, as_json: bool) -> None:
    if plan.unanswered is not None:
        click.echo(
            f"{plan.unanswered}; the plan starts from RECONCILIATION_SHARDS, {plan.scaling.before}",
            err=True,
        )
    if as_json:
        print_json(plan.as_json())
        return
    columns = ["shard", "buckets now", "then", "difference"]
    rows = [(shard, now, then, f"{then - now:+d}") for shard, now, then in plan.scaling.shares]
    print_table(columns, rows)
    click.echo(plan.scaling.description)
