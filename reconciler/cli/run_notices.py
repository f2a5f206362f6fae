"""Notices of a run: at the start, rows that are not followed; at the end, orders not written."""

from functools import partial

import structlog

from reconciler.cli.checks.settings import find_unused_passphrase, implied_paper_url
from reconciler.errors import ConfigurationError
from reconciler.settings import Settings
from reconciler.store.best_effort import query_on_own_connection
from reconciler.store.coverage import Coverage
from reconciler.store.coverage_count import explain_no_stale_orders, measure_coverage
from reconciler.store.database_url import parse_url
from reconciler.store.user_table import UserTable
from reconciler.supervisor.summary import Summary

MAX_COUNT_SECONDS = 1.0
"""A start waits no longer than about this for a count."""

log = structlog.get_logger(__name__)


def warn_if_exchange_implied(settings: Settings) -> None:
    """Log a warning if the settings name no exchange, so that the paper exchange is used.

    Settings without a usable database end the run anyway: then nothing is logged here.
    """
    try:
        parse_url(settings.required_database_url)
    except ConfigurationError:
        return
    if url := implied_paper_url(settings):
        log.warning("exchange.not_named", exchange=settings.exchange_name, base_url=url)


def warn_if_passphrase_unused(settings: Settings) -> None:
    """Log that a passphrase is set and the exchange takes none."""
    if unused := find_unused_passphrase(settings):
        log.warning(
            "exchange.passphrase_unused",
            exchange=settings.exchange_name,
            reason=unused.what,
            hint=unused.hint,
        )


def warn_of_unfollowed_orders(settings: Settings) -> Coverage | None:
    """Log a warning about rows that look open but are not followed; return None if unknown.

    If the database cannot be asked here, the supervisor cannot work either, and reports it.

    Raises:
        ConfigurationError: the table has a status that the configuration file leaves out.
    """
    coverage = query_on_own_connection(
        settings.required_database_url,
        partial(
            measure_coverage,
            table=UserTable(settings.orders),
            timeout_seconds=MAX_COUNT_SECONDS,
        ),
    )
    if coverage is not None and coverage.left_out_problem is not None:
        raise ConfigurationError([coverage.left_out_problem])
    if coverage is not None and (coverage.has_unknown_words or coverage.lacks_most_ids):
        log.warning(
            "orders.not_followed",
            orders=coverage.not_followed,
            reason="; ".join(coverage.remarks),
        )
    return coverage


def explain_empty_sweep(settings: Settings) -> tuple[str, ...]:
    """Return why a sweep found no stale order."""
    why = query_on_own_connection(
        settings.required_database_url,
        partial(
            explain_no_stale_orders,
            table=UserTable(settings.orders),
            scope=settings.scope,
            stale_after=settings.stale_after,
        ),
    )
    return () if why is None else (why,)


def explain_orders_left(summary: Summary) -> tuple[str, ...]:
    """Return why a sweep left orders as they are that neither failed nor went on hold."""
    left = summary.unchanged
    if not left:
        return ()
    remark = (
        f"{left:,} of {summary.counts.scanned:,} orders were left as they are, and stay stale: they"
        ' are too young for "not found" to prove anything, or were written meanwhile; the next'
        " sweep asks again, and reconciler explain ORDER_ID says why"
    )
    return (remark,)
