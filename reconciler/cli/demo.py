"""`reconciler demo`: the reconciler at work, with its own database and exchange."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import SecretStr

import reconciler
from reconciler.cli.interrupts import ignore_signals_afterwards, interrupt_on_signals
from reconciler.cli.logs import set_up_logs, warnings_only
from reconciler.cli.run_report import RunReport
from reconciler.cli.runner import exit_code_of_stop, print_early_stop, run_supervisor
from reconciler.cli.ui.options import NumberRange, environment_option, json_option, shards_option
from reconciler.cli.ui.progress import ReconcileProgress, show_activity
from reconciler.demo import PAPER, Demo, open_demo
from reconciler.embedded import NEEDED_MEGABYTES
from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.exchanges.registry import venue
from reconciler.orders.workload import OrderWorkload
from reconciler.paper.dialects import NAMES, nearest_names
from reconciler.paper.process import PaperDidNotStart
from reconciler.resilience.limits import weight_of
from reconciler.resilience.rate_limits import per_minute
from reconciler.settings import Settings
from reconciler.supervisor.summary import StopReason, Summary

if TYPE_CHECKING:  # In a checkout only: see `_load_chaos`.
    from tests.chaos.demo import Chaos

MAX_SHOWN = 10
USUAL_ORDERS = 2000
BYTES_PER_ORDER = 2500
"""In the database with its log, at most: 50,000 orders took 105 MB (2026-11-24)."""


@dataclass(frozen=True, kw_only=True)
class DemoSize:
    """The orders to reconcile, and their exchange. The same seed makes the same orders."""

    exchange: str
    orders: int
    symbols: int
    seed: int


@click.command(
    "demo",
    epilog="""\b
Try it:
  reconciler demo --orders 50000 --shards 4
  reconciler demo --chaos --seed 7
  reconciler demo --exchange kraken --orders 200
  reconciler demo --json | python3 -m json.tool""",
)
@environment_option(
    "--exchange",
    variable="RECONCILER_DEMO_EXCHANGE",
    help_text=f"The exchange whose API the paper exchange speaks: {', '.join(NAMES)}.",
    default=PAPER,
    metavar="NAME",
)
@environment_option(
    "--orders",
    variable="RECONCILER_DEMO_ORDERS",
    help_text=(
        f"Number of orders whose rows are behind the exchange. By default {USUAL_ORDERS}, or as"
        " many as the exchange's limits allow in a minute if these are fewer (Kraken)."
    ),
    default=None,
    type=click.IntRange(1, 5_000_000),
    metavar="N",
)
@environment_option(
    "--symbols",
    variable="RECONCILER_DEMO_SYMBOLS",
    help_text="Number of symbols to spread them over.",
    default=12,
    type=click.IntRange(1, 5000),
    metavar="N",
)
@environment_option(
    "--seed",
    variable="RECONCILER_DEMO_SEED",
    help_text="The same seed makes the same orders.",
    default=1,
    type=int,
    metavar="N",
)
@environment_option(
    "--chaos",
    "is_chaos",
    variable="RECONCILER_DEMO_CHAOS",
    help_text="Inject every kind of exchange fault, and kill workers.",
    is_flag=True,
)
@environment_option(
    "--chaos-seconds",
    variable="RECONCILER_DEMO_CHAOS_SECONDS",
    help_text="With --chaos: how long the faults last.",
    default=20.0,
    type=NumberRange(1, 3600),
    metavar="N",
)
@shards_option
@json_option
def demo_command(
    *,
    exchange: str,
    orders: int | None,
    symbols: int,
    seed: int,
    is_chaos: bool,
    chaos_seconds: float,
    as_json: bool,
    **flags: Any,
) -> None:
    """See the reconciler work, with its own PostgreSQL and its own exchange.

    Starts both, fills them with orders whose rows are behind the exchange, runs the real supervisor
    with real worker processes until no order is stale, and compares every row with the exchange.
    Touches nothing outside a temporary folder (in TMPDIR), and leaves nothing running.

    With --exchange, the orders have the ids and symbols of that exchange, and the reconciler talks
    to the paper exchange as it does to the real one, within that exchange's limits.

    With --chaos, when the time for faults is over, holds are dismissed, the halt is released, and
    the remaining orders are reconciled.

    Exits with code 0 if every row equals the exchange's truth, 1 if one does not; with --chaos also
    1 if a row ever went backwards, or ended differently than at the exchange. 69 or 75 if the
    database or the exchange was lost, 78 if there is not enough room.
    """
    _require_dialect(exchange)
    settings = warnings_only(Settings.load(**flags))
    set_up_logs(settings)
    if orders is None:
        orders = _orders_of_a_minute(exchange, settings)
    _require_room(orders, Path(tempfile.gettempdir()))
    size = DemoSize(exchange=exchange, orders=orders, symbols=symbols, seed=seed)
    summary, report, differing = _run_demo(
        settings, size, chaos=_load_chaos(chaos_seconds) if is_chaos else None
    )
    report.print(as_json=as_json)
    for line in differing[:MAX_SHOWN]:
        click.echo(line, err=True)
    print_early_stop(summary)
    sys.exit(exit_code_of_stop(summary.ending, is_complete=not differing))


def _require_dialect(exchange: str) -> None:
    """Refuse an exchange whose dialect the paper exchange does not speak.

    Raises:
        ConfigurationError: it has no such dialect.
    """
    if exchange not in (PAPER, *NAMES):
        raise ConfigurationError(
            [
                Problem(
                    what=f"--exchange is {exchange!r}, which the paper exchange does not speak",
                    hint=f"choose {nearest_names(exchange)}",
                )
            ]
        )


def _orders_of_a_minute(exchange: str, settings: Settings) -> int:
    """Return the usual number of orders, or as many as the limits allow to look up in a minute."""
    facts = venue(exchange)
    requests = per_minute(facts.limits, facts.chunk_cost, share=settings.rate_share)
    if requests is None:
        return USUAL_ORDERS
    affordable = requests / weight_of(facts.chunk_cost) * facts.chunk_size
    return max(1, min(USUAL_ORDERS, floor(affordable)))


def _require_room(orders: int, folder: Path) -> None:
    """Refuse a demo that would fill the disk.

    Raises:
        ConfigurationError: there is not enough room.
    """
    needed = NEEDED_MEGABYTES + orders * BYTES_PER_ORDER // 2**20
    free = shutil.disk_usage(folder).free // 2**20
    if free < needed:
        raise ConfigurationError(
            [
                Problem(
                    what=f"{folder} has {free:,} MB free, a demo with {orders:,} orders needs"
                    f" {needed:,}",
                    hint="make room, ask for fewer --orders, or set TMPDIR to a folder on a larger"
                    " disk",
                )
            ]
        )


def _run_demo(
    settings: Settings, size: DemoSize, *, chaos: "Chaos | None"
) -> tuple[Summary, RunReport, list[str]]:
    """Run the demo and clean up; return the summary, the report, and a line for each wrong row.

    Raises:
        KeyboardInterrupt: INT or TERM came.
    """
    started = time.monotonic()
    with interrupt_on_signals(), _open_demo(size.exchange) as demo, ignore_signals_afterwards():
        with show_activity(f"writing {size.orders:,} orders of {size.symbols:,} symbols"):
            demo.fill(orders=size.orders, symbols=size.symbols, seed=size.seed)
        setup_seconds = time.monotonic() - started
        demo_settings, started = _settings_for(demo, settings), time.monotonic()
        if chaos is None:
            summary = _reconcile(demo_settings, size.orders)
        else:
            summary = _reconcile_in_chaos(chaos, demo, demo_settings, size.seed)
        seconds = time.monotonic() - started
        with show_activity("comparing every row with the exchange"):
            differing = demo.mismatches()
            wrong_changes = [] if chaos is None else chaos.wrong_changes(demo)
    report = RunReport.of(
        summary,
        seconds=seconds,
        shards=settings.shards,
        lookup_weight=weight_of(configured_venue(demo_settings).lookup_cost),
        orders=size.orders,
        mismatches=len(differing),
        setup_seconds=setup_seconds,
    )
    if chaos is not None:
        report = chaos.add_to(report)
    return summary, report, [*differing, *wrong_changes]


@contextmanager
def _open_demo(exchange: str) -> Iterator[Demo]:
    """Start the database and the exchange; stop both at the end of the block."""
    with ExitStack() as stack:
        try:
            with show_activity("starting PostgreSQL and the paper exchange"):
                demo = stack.enter_context(open_demo(exchange_name=exchange))
        except PaperDidNotStart as error:
            hint = "fix what it reports, and try again"
            raise ConfigurationError([Problem(what=str(error), hint=hint)]) from error
        yield demo


def _settings_for(demo: Demo, settings: Settings) -> Settings:
    """Return the settings with the addresses and the key of the demo's database and exchange.

    What is set for the user's own exchange is left out.
    """
    return settings.with_orders_of_the_demo().model_copy(
        update={
            "database_url": SecretStr(demo.database_url),
            "exchange_name": demo.exchange_name,
            "exchange_base_url": demo.exchange.url,
            "exchange_api_key": demo.api_key,
            "exchange_api_secret": demo.api_secret,
            "exchange_api_passphrase": demo.api_passphrase,
            "exchange_key_type": None,
            "limits": None,
        }
    )


def _reconcile(settings: Settings, orders: int) -> Summary:
    """Reconcile everything once.

    Raises:
        KeyboardInterrupt: INT or TERM came.
    """
    with ReconcileProgress(orders) as progress:
        summary = run_supervisor(
            OrderWorkload(settings=settings), settings, is_once=True, on_progress=progress.update
        )
    if summary.ending is StopReason.STOPPED:
        raise KeyboardInterrupt
    return summary


def _reconcile_in_chaos(chaos: "Chaos", demo: Demo, settings: Settings, seed: int) -> Summary:
    with ReconcileProgress() as progress:
        return chaos.reconcile(demo, settings, seed=seed, on_progress=progress.update)


def _load_chaos(seconds: float) -> "Chaos":
    """Import the fault injection, which is part of a checkout's tests and not of the package.

    Raises:
        ConfigurationError: the program does not run from a checkout.
    """
    checkout = Path(reconciler.__file__).resolve().parents[1]
    if not (checkout / "tests" / "chaos" / "__init__.py").exists():
        raise ConfigurationError(
            [
                Problem(
                    what="--chaos is not part of this installation: it is in tests/chaos of the"
                    " reconciler's checkout",
                    hint="run it there: ./scripts/demo --chaos",
                )
            ]
        )
    sys.path.insert(0, str(checkout))
    from tests.chaos.demo import Chaos  # noqa: PLC0415 - in a checkout only

    return Chaos(seconds=seconds)
