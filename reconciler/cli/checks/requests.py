"""Checks of what the account may ask: the limits of the exchange, and each kind of request once."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from reconciler.cli.checks.asking import ask_exchange
from reconciler.cli.checks.result import CheckResult, failed, passed, skipped, warning
from reconciler.cli.ui.limit_words import published
from reconciler.error_hints import problems_of
from reconciler.errors import (
    ConfigurationError,
    Malformed,
    Problem,
    ReconcilerError,
    Refused,
    RequestRejected,
)
from reconciler.exchanges.base import Exchange, OrderRef, RequestTrial, TriesRequests, Venue
from reconciler.resilience.rate_limits import LimitUse, RateLimits
from reconciler.settings import Settings

LIMITS_CHECK = "exchange limits"
REQUESTS_CHECK = "exchange requests"

ANY_SYMBOL = "BTCUSDT"
"""Asked about where the exchange lists none, as a paper exchange without orders: that the symbol is
unknown is an answer, too.
"""


def check_requests(settings: Settings, venue: Venue) -> Sequence[CheckResult]:
    """Try each kind of request once, about an order that does not exist; say which limits apply."""
    limits = RateLimits(venue.limits, share=1)
    try:
        trials = asyncio.run(ask_exchange(venue, settings, _try_requests, limits=limits))
    except ReconcilerError as error:
        requests = skipped(REQUESTS_CHECK, f"the exchange lists its symbols: {error}")
    else:
        requests = requests_result(trials)
    return [limits_result(limits.uses, settings), requests]


async def _try_requests(exchange: Exchange) -> Sequence[RequestTrial] | None:
    if not isinstance(exchange, TriesRequests):
        return None
    symbol = exchange.request_symbol(ANY_SYMBOL)
    with suppress(Malformed):
        symbol = min(await exchange.fetch_symbols(), default=symbol)
    absent = OrderRef(symbol=symbol, external_order_id=exchange.venue.absent_order_id)
    return await exchange.try_requests(absent)


def limits_result(uses: Sequence[LimitUse], settings: Settings) -> CheckResult:
    """Return the limits that apply, our share of them, and what all programs use of them now."""
    if not uses:
        return passed(LIMITS_CHECK, "the exchange publishes none")
    words = "; ".join(map(_words_of, uses))
    return passed(
        LIMITS_CHECK, f"{words}. This host uses at most {settings.rate_share:.0%} of each"
    )


def _words_of(use: LimitUse) -> str:
    if use.account_used is None:
        return published(use.limit)
    return f"{published(use.limit)}, of which all programs have used {use.account_used:,} now"


def requests_result(trials: Sequence[RequestTrial] | None) -> CheckResult:
    """Return which requests the account may use; a problem if the exchange refuses one of them."""
    if not trials:
        return skipped(REQUESTS_CHECK, "the adapter can try its requests")
    problems = [_problem_of(trial) for trial in trials if _is_refused(trial)]
    has_answer = any(trial.failure is None for trial in trials)
    unanswered = [trial for trial in trials if not _is_answered(trial, has_answer=has_answer)]
    usable = ", ".join(trial.what for trial in trials if trial not in unanswered) or "none"
    if problems:
        result = failed(REQUESTS_CHECK, ConfigurationError(problems))
        return replace(result, detail=f"the key may not use all requests; it may use: {usable}")
    if unanswered:
        return warning(
            REQUESTS_CHECK,
            f"the key may use: {usable}; the others were not answered",
            [_problem_of(trial) for trial in unanswered],
        )
    return passed(REQUESTS_CHECK, f"the key may use each: {usable}")


def _is_refused(trial: RequestTrial) -> bool:
    return isinstance(trial.failure, Refused)


def _is_answered(trial: RequestTrial, *, has_answer: bool) -> bool:
    """Return True if it was answered: also with a rejection of the order, which does not exist.

    If the exchange rejects everything (`has_answer` is false), it is not for the order.
    """
    if isinstance(trial.failure, RequestRejected):
        return trial.names_order and has_answer
    return trial.failure is None


def _problem_of(trial: RequestTrial) -> Problem:
    assert trial.failure is not None  # noqa: S101 - only such trials are problems
    hint = next(problem.hint for problem in problems_of(trial.failure))
    return Problem(what=f"{trial.what}: {trial.failure}", hint=hint)
