"""`scripts/bench`: how it compares, measured on this machine."""

from functools import partial
from typing import Any

import click

from reconciler.cli.interrupts import ignore_signals_afterwards, interrupt_on_signals
from reconciler.cli.logs import set_up_logs, warnings_only
from reconciler.cli.ui.options import environment_option, json_option, setting_option, shards_option
from reconciler.cli.ui.output import console, print_json, print_table
from reconciler.cli.ui.progress import step_progress
from reconciler.settings import Settings
from scripts.benchmark import suite
from scripts.benchmark.figures import Comparison, Figure, Target
from scripts.benchmark.size import ORDERS, QUICK_ORDERS, QUICK_ROUNDS, ROUNDS, Size


def _keys(_ctx: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Read the names of comparisons, comma-separated; none given: all."""
    wanted = tuple(suite.COMPARISONS) if value is None else tuple(value.split(","))
    for key in wanted:
        if key not in suite.COMPARISONS:
            raise click.BadParameter(f"{key!r} is none of {', '.join(suite.COMPARISONS)}")
    return wanted


@click.command(
    "bench",
    short_help="Measure on this machine how it compares.",
    epilog="""\b
Try it:
  scripts/bench --quick
  scripts/bench --only store --rounds 9
  scripts/bench --json > bench.json""",
)
@environment_option(
    "--only",
    "keys",
    variable="RECONCILER_BENCH_ONLY",
    help_text=f"Only these, comma-separated: {', '.join(suite.COMPARISONS)}.",
    metavar="NAMES",
    callback=_keys,
)
@environment_option(
    "--quick",
    "is_quick",
    variable="RECONCILER_BENCH_QUICK",
    help_text=f"Small: {QUICK_ORDERS:,} orders, {QUICK_ROUNDS} rounds; says less.",
    is_flag=True,
)
@environment_option(
    "--rounds",
    variable="RECONCILER_BENCH_ROUNDS",
    help_text=f"Rounds; each contender runs once in each. [default: {ROUNDS}]",
    type=click.IntRange(1, 1000),
    metavar="N",
)
@environment_option(
    "--orders",
    variable="RECONCILER_BENCH_ORDERS",
    help_text=f"Open orders to reconcile. [default: {ORDERS:,}]",
    type=click.IntRange(100, 10_000_000),
    metavar="N",
)
@setting_option("--batch-size", "batch_size", "Orders in one transaction.", metavar="N")
@shards_option
@json_option
def bench_command(
    *,
    keys: tuple[str, ...],
    is_quick: bool,
    rounds: int | None,
    orders: int | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Compare the reconciler with its alternatives, measured on this machine.

    The contenders take turns on the same rows in one PostgreSQL, for several rounds, and after each
    turn every row is counted. The PostgreSQL is its own, in a temporary folder (in TMPDIR), unless
    DATABASE_URL lends it an empty one, in which it leaves nothing. Takes minutes, and all cores.

    Ends with code 0 when everything was measured, whatever it shows; 1 if a contender did less than
    asked, so that the measurement does not count; 69 if the database was lost; 78 if the database
    must not be used. Without --json each comparison is shown as soon as it is done.
    """
    settings = warnings_only(Settings.load(**flags))
    set_up_logs(settings)
    size = Size.of(
        orders=orders,
        rounds=rounds,
        workers=settings.shards,
        batch_size=settings.batch_size,
        is_quick=is_quick,
    )
    lent = settings.database_url

    def show(comparison: Comparison) -> None:
        if not as_json:
            shown.while_hidden(partial(_print_comparison, comparison))

    with interrupt_on_signals(), ignore_signals_afterwards(), step_progress() as shown:
        report = suite.run(
            keys,
            size,
            lent_url=None if lent is None else lent.get_secret_value(),
            on_progress=shown.begin,
            on_comparison=show,
        )
    if as_json:
        print_json(report.as_json())
    else:
        _print_circumstances(report)


def _print_comparison(comparison: Comparison) -> None:
    out = console()
    print_table(
        ["", "median", "lowest", "highest", "unit"],
        [_figure_row(figure) for figure in comparison.figures],
        title=comparison.title,
    )
    if comparison.targets:
        print_table(
            ["", "reached", "wanted", "met"],
            [_target_row(target) for target in comparison.targets],
        )
    out.print(comparison.conditions, style="dim", markup=False)
    for figure in comparison.figures:
        if figure.note:
            out.print(f"{figure.name}: {figure.note}", style="dim", markup=False)
    out.print()


def _figure_row(figure: Figure) -> tuple[object, ...]:
    lowest, highest = figure.spread
    return figure.label, figure.median, lowest, highest, figure.unit


def _target_row(target: Target) -> tuple[object, ...]:
    wanted = f"{'at most' if target.at_most else 'at least'} {target.wanted:g}"
    return target.name, f"{target.reached:.3g}", wanted, target.is_met


def _print_circumstances(report: suite.BenchReport) -> None:
    versions = {f"version of {name}": version for name, version in report.versions.items()}
    print_table(
        ["", ""],
        [
            (name, str(value))
            for name, value in {**report.machine, **versions, **report.database}.items()
        ],
        title="Machine, versions and the server's settings",
    )
    console().print(f"\nmeasured in {report.seconds:.0f} s")
