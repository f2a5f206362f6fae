"""`reconciler tune`: measure which number of shards and which batch size are best."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click
from rich.text import Text

from reconciler.cli.interrupts import interrupt_on_signals
from reconciler.cli.logs import load_settings, worker_logs_setup
from reconciler.cli.ui.options import NumberRange, environment_option, json_option
from reconciler.cli.ui.output import console, print_json, print_table
from reconciler.cli.ui.progress import StepProgress, can_move, step_progress
from reconciler.errors import ConfigurationError
from reconciler.formatting import duration, elapsed, number
from reconciler.settings import MAX_SHARDS, Settings
from reconciler.store.database_url import parse_url
from reconciler.supervisor.options import PAGE_ITEMS
from reconciler.trial.sweep import Sweep
from reconciler.tune import session
from reconciler.tune.advice import Advice, RequiredRate
from reconciler.tune.bottleneck import Bottleneck
from reconciler.tune.session import BATCH_SIZES, MOST_SHARDS, TuneListener, TuneOptions, TuneReport

BAR_WIDTH = 30
MAX_BATCH_SIZE = 10_000


def _numbers(maximum: int) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return a reader of comma-separated numbers from 1 to `maximum`; each once, ascending."""

    def read(
        _ctx: click.Context, _option: click.Parameter, value: str | None
    ) -> tuple[int, ...] | None:
        if value is None:
            return None
        try:
            numbers = sorted({int(part) for part in value.split(",")})
        except ValueError:
            raise click.BadParameter(
                f"{value!r} is not a comma-separated list of whole numbers"
            ) from None
        if numbers[0] < 1 or numbers[-1] > maximum:
            raise click.BadParameter(f"{value!r} has a number that is not from 1 to {maximum:,}")
        return tuple(numbers)

    return read


def _url(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            parse_url(value)
        except ConfigurationError:
            raise click.BadParameter(
                "it is not a PostgreSQL URL: postgresql://user:password@host:5432/name"
            ) from None
    return value


@click.command(
    "tune",
    epilog="""\b
Try it:
  reconciler tune
  reconciler tune --latency-ms 80 --shards 1,2,4,8
  reconciler tune --scratch postgresql:///reconciler_tune""",
)
@environment_option(
    "--shards",
    variable="RECONCILER_TUNE_SHARDS",
    help_text="Numbers of shards to try, comma-separated."
    f" [default: 1, 2, 4 ... up to {MOST_SHARDS}, while it helps]",
    metavar="NUMBERS",
    callback=_numbers(MAX_SHARDS),
)
@environment_option(
    "--batch-sizes",
    variable="RECONCILER_TUNE_BATCH_SIZES",
    help_text="Batch sizes to try after that, comma-separated.",
    default=",".join(map(str, BATCH_SIZES)),
    metavar="NUMBERS",
    callback=_numbers(MAX_BATCH_SIZE),
)
@environment_option(
    "--orders",
    variable="RECONCILER_TUNE_ORDERS",
    help_text="Open orders in the sample, at most.",
    default=PAGE_ITEMS,
    type=click.IntRange(1, 1_000_000),
    metavar="N",
)
@environment_option(
    "--seconds",
    variable="RECONCILER_TUNE_SECONDS",
    help_text="A trial that lasts longer assigns no more orders.",
    default=20.0,
    type=NumberRange(0.1, 3600),
    metavar="S",
)
@environment_option(
    "--latency-ms",
    variable="RECONCILER_TUNE_LATENCY_MS",
    help_text="The exchange's latency. [default: measured at your exchange]",
    type=NumberRange(0, 60_000),
    metavar="MS",
)
@environment_option(
    "--ended-share",
    variable="RECONCILER_TUNE_ENDED_SHARE",
    help_text="Share of the sample that has ended at the exchange.",
    default=0.1,
    type=NumberRange(0, 1),
    metavar="SHARE",
)
@environment_option(
    "--scratch",
    "scratch_url",
    variable="RECONCILER_TUNE_SCRATCH",
    help_text="An empty database to copy the sample to and write in. [default: nothing is written]",
    metavar="URL",
    callback=_url,
)
@json_option
def tune_command(*, as_json: bool, **options: Any) -> None:
    """Measure which number of shards, and which batch size, are best for your orders.

    Sweeps a sample of the open orders in DATABASE_URL again and again with the real supervisor and
    its workers, first with different numbers of shards, then with different batch sizes. The trials
    have an exchange of their own, which has these orders and answers as slowly as yours. Your
    database is only read, and your exchange is only asked for its time.

    Exits with code 0 when it has a recommendation; 69 if the database or the exchange does not
    answer; 78 if the configuration does not allow it: rights, schema, no open order, --scratch in
    use.
    """
    settings = load_settings()
    with interrupt_on_signals(), step_progress() as progress:
        report = session.run(
            settings,
            TuneOptions(**options),
            set_up_worker=partial(worker_logs_setup, settings),
            listener=_listener(progress),
        )
    if as_json:
        print_json(report.as_json())
    else:
        _print_report(report, settings)


def _listener(progress: StepProgress) -> TuneListener:
    is_in_place = can_move(console(stderr=True))
    current = ""

    def begin(step: str) -> None:
        nonlocal current
        current = step
        progress.begin(step)

    def show(done: Sweep) -> None:
        if is_in_place and done.seconds > 0:
            rate = done.summary.counts.scanned / done.seconds
            progress.begin(f"{current}: {number(rate)} orders/s so far")

    return TuneListener(
        on_step=begin,
        on_progress=show,
        on_trial=lambda trial: progress.print_line(f"{current}: {number(trial.rate)} orders/s"),
    )


def _print_report(report: TuneReport, settings: Settings) -> None:
    for line in _circumstances(report):
        console().print(line, soft_wrap=not console().is_terminal, markup=False)
    _print_curve(report)
    rows = [
        ("limit", BOTTLENECKS[report.advice.bottleneck]),
        ("exchange allows", _allowed(report)),
        ("needed", _needed(report.required_rate, report.advice, settings)),
        ("recommended", report.advice.reason),
    ]
    print_table(["", ""], rows)
    out = console()
    out.print("\nSet it, and apply it to a running supervisor:", markup=False)
    for line in _to_set(report.advice, settings):
        out.print(f"  {line}", markup=False, style="bold")


def _circumstances(report: TuneReport) -> Sequence[str]:
    sample, latency = report.sample, report.latency
    left_out = (
        f", {sample.left_out:,} left out because their id is no number" if sample.left_out else ""
    )
    asked = (
        "as you set it"
        if latency.address is None
        else f"measured with {latency.requests} requests of weight {latency.weight} in total"
        f" to {latency.address}"
    )
    written = (
        "Nothing was written: the cost of writing is not included (with --scratch it is)."
        if report.is_dry
        else "Rows and log entries were written to a copy, without your own indexes and triggers."
    )
    tried = (
        f"{len(sample.orders):,} of {sample.open_orders:,} open orders,"
        f" {sample.symbols:,} symbols{left_out}; {report.options.ended_share:.0%} of them ended."
    )
    is_small = len(sample.orders) < min(sample.open_orders - sample.left_out, PAGE_ITEMS)
    if is_small:
        tried += f" So small a sample takes more weight an order than a page of {PAGE_ITEMS:,}."
    return (
        tried,
        f"The exchange takes {elapsed(latency.ms / 1000)} to answer, {asked}.",
        written,
    )


def _print_curve(report: TuneReport) -> None:
    maximum = max(trial.rate for trial in report.trials)
    chosen = report.advice.trial
    rows = [
        (
            trial.shards,
            trial.batch_size,
            trial.rate,
            trial.weight_per_order * 1000,
            Text(_bar(trial.rate / maximum), style="bold green" if trial is chosen else ""),
        )
        for trial in report.trials
    ]
    print_table(["shards", "batch", "orders/s", "weight/1,000", ""], rows)
    if failed := sum(trial.failed for trial in report.trials):
        console().print(
            f"{failed:,} times the trials' exchange gave no answer for an order: this machine was"
            " too busy to measure",
            style="bold red",
            markup=False,
        )


def _bar(share: float) -> str:
    mark = "█" if (console().encoding or "").lower().startswith("utf") else "#"
    return mark * max(1, round(share * BAR_WIDTH))


BOTTLENECKS = {
    Bottleneck.BUDGET: "the exchange's rate limit; more shards do not raise it",
    Bottleneck.TRIAL_EXCHANGE: "the trials' own exchange, one process: yours may allow more",
    Bottleneck.CPU: "CPU: all cores of this machine were busy, the trials' own exchange included",
    Bottleneck.LATENCY: "the exchange's latency: workers mostly wait for its answers",
    Bottleneck.DATABASE: "the database: workers mostly wait for it",
    Bottleneck.COMPUTING: "a worker's one core: workers mostly compute",
    Bottleneck.WORK: "the work itself: too few symbols at a time to keep all workers busy",
}


def _allowed(report: TuneReport) -> str:
    allowance = report.allowance
    allowed = report.advice.allowed
    how_many = "any number of" if allowed == float("inf") else f"{allowed:,.0f}"
    return (
        f"{how_many} orders/s: {allowance.share:.0%} of {allowance.weight_per_minute:,} weight a"
        f" minute, {report.advice.trial.weight_per_order * 1000:,.1f} for 1,000 orders"
    )


def _needed(required_rate: RequiredRate, advice: Advice, settings: Settings) -> str:
    every = duration(settings.stale_after.total_seconds())
    what = (
        f"{required_rate.rate:,.1f} orders/s to look at {required_rate.open_orders:,} every {every}"
    )
    if advice.rate >= required_rate.rate:
        return f"{what}: it keeps up"
    reached = duration(required_rate.open_orders / advice.rate)
    return f"{what}: it does not keep up, each order is checked every {reached}"


def _to_set(advice: Advice, settings: Settings) -> Sequence[str]:
    shards, batch_size = advice.trial.shards, advice.trial.batch_size
    lines = [f"RECONCILIATION_SHARDS={shards}"]
    if batch_size != settings.batch_size:
        lines.append(f"RECONCILIATION_BATCH_SIZE={batch_size}")
    return [*lines, f"reconciler scale {shards}"]
