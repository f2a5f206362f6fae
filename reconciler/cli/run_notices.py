"""Tell at a run's start what will not be followed, and at its end why nothing was done."""

from functools import partial

import structlog

from reconciler.cli.checks.settings import find_unused_passphrase, paper_is_implied
from reconciler.errors import ConfigurationError
from reconciler.settings import Settings
from reconciler.store.best_effort import query_on_own_connection
from reconciler.store.coverage import Coverage, explain_no_stale_orders, measure_coverage
from reconciler.store.database_url import parse_url

MOST_SECONDS = 1.0
"""A start does not wait longer than about this for a count."""

log = structlog.get_logger(__name__)


def warn_if_exchange_implied(settings: Settings) -> None:
    """Say so where nobody has named an exchange, and the paper exchange is meant.

    Settings that lead to no database end the run, whatever exchange is meant.
    """
    try:
        parse_url(settings.required_database_url)
    except ConfigurationError:
        return
    if url := paper_is_implied(settings):
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
    """Log what looks open and is not followed; None where it cannot be found out.

    What keeps us from finding out keeps the supervisor from its work too, and it says so.
    """
    following = query_on_own_connection(
        settings.required_database_url, partial(measure_coverage, timeout_seconds=MOST_SECONDS)
    )
    if following is not None and (following.has_unknown_words or following.lacks_most_ids):
        log.warning(
            "orders.not_followed",
            orders=following.not_followed,
            reason="; ".join(following.remarks),
        )
    return following


def explain_empty_sweep(settings: Settings) -> tuple[str, ...]:
    """Say why a sweep found no order to look at."""
    why = query_on_own_connection(
        settings.required_database_url,
        partial(explain_no_stale_orders, stale_after=settings.stale_after),
    )
    return () if why is None else (why,)
