"""`reconciler demo`: the whole thing, on a database and an exchange of its own."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import click
from pydantic import SecretStr

from reconciler.cli.app import Exit
from reconciler.cli.options import SHARDS, json_option
from reconciler.cli.output import console
from reconciler.cli.report import Report
from reconciler.cli.run import options_of
from reconciler.cli.supervise import ReconcileProgress, parent_logs, supervise
from reconciler.demo import World, open_world
from reconciler.settings import Settings
from reconciler.supervisor.parent import Ending, Summary
from reconciler.worker.orders import OrderWorkload

PATIENCE = timedelta(minutes=5)
MOST_SHOWN = 10


@click.command("demo")
@click.option(
    "--orders",
    default=2000,
    show_default=True,
    type=click.IntRange(1, 5_000_000),
    metavar="N",
    help="Orders whose rows have fallen behind.",
)
@click.option(
    "--symbols",
    default=12,
    show_default=True,
    type=click.IntRange(1, 5000),
    metavar="N",
    help="Symbols to spread them over.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=int,
    metavar="N",
    help="The same seed makes the same orders.",
)
@SHARDS
@json_option
def demo_command(*, orders: int, symbols: int, seed: int, as_json: bool, **flags: Any) -> None:
    """See the reconciler work, on a PostgreSQL and an exchange of its own.

    Starts both, fills them with orders whose rows have fallen behind, runs the real supervisor with
    real worker processes until nothing is stale, and compares every row with the exchange.
    Nothing outside of a temporary folder is touched, and nothing is left running.
    """
    started = time.monotonic()
    settings = Settings.load(**flags)
    settings = settings.model_copy(update={"log_level": _quiet(settings)})
    parent_logs(settings)
    say = console(stderr=True)
    with _ending_on_term():
        say.print("starting PostgreSQL and the paper exchange ...")
        with open_world() as world:
            say.print(f"writing {orders:,} orders over {symbols:,} symbols ...")
            world.fill(orders=orders, symbols=symbols, seed=seed)
            setup_seconds = time.monotonic() - started
            summary, seconds = _reconcile(world, settings, orders)
            if summary.ending is Ending.STOPPED:
                raise KeyboardInterrupt
            say.print("comparing every row with the exchange ...")
            differing = world.mismatches()
    report = Report.of(
        summary,
        seconds=seconds,
        shards=settings.shards,
        orders=orders,
        mismatches=len(differing),
        setup_seconds=setup_seconds,
    )
    report.print(as_json=as_json)
    for line in differing[:MOST_SHOWN]:
        click.echo(line, err=True)
    sys.exit(Exit.INCOMPLETE if differing else Exit.GOOD)


def _reconcile(world: World, settings: Settings, orders: int) -> tuple[Summary, float]:
    ours = settings.model_copy(
        update={
            "database_url": SecretStr(world.database_url),
            "exchange_name": "paper",
            "exchange_base_url": world.exchange.url,
            "exchange_api_key": world.api_key,
            "exchange_api_secret": world.api_secret,
        }
    )
    options = options_of(ours, is_once=True)
    started = time.monotonic()
    with ReconcileProgress(orders) as progress:
        summary = supervise(
            OrderWorkload(settings=ours), options, ours, on_progress=progress.update
        )
    return summary, time.monotonic() - started


def _quiet(settings: Settings) -> str:
    """Return the log level: what was asked for, or warnings only, so that progress is readable."""
    return settings.log_level if "log_level" in settings.model_fields_set else "WARNING"


@contextmanager
def _ending_on_term() -> Iterator[None]:
    """Let TERM end the block as Ctrl-C does, so that nothing is left running."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
