from datetime import timedelta

import pytest

from reconciler.cli.checks.requests import limits_result, requests_result
from reconciler.cli.checks.result import CheckStatus
from reconciler.errors import RateLimited, Refused, RequestRejected, Unavailable
from reconciler.exchanges.base import Failure, RequestTrial
from reconciler.resilience.limits import LimitReading, LimitScope, RateLimit
from reconciler.resilience.rate_limits import RateLimits
from reconciler.settings import Settings
from tests.fakes import weight_limit

LOOK_UP, LIST = "look up one order", "list open orders"


def trials(**failures: Failure) -> list[RequestTrial]:
    return [
        RequestTrial(what=LOOK_UP, failure=failures.get("look_up"), names_order=True),
        RequestTrial(what=LIST, failure=failures.get("list")),
    ]


def test_key_that_may_use_everything_passes() -> None:
    result = requests_result(trials())

    assert result.status is CheckStatus.OK
    assert result.detail == f"the key may use each: {LOOK_UP}, {LIST}"


def test_answer_that_rejects_the_order_is_an_answer() -> None:
    result = requests_result(trials(look_up=RequestRejected("EOrder:Invalid order")))

    assert result.status is CheckStatus.OK


def test_rejection_of_what_names_no_order_is_no_answer() -> None:
    rejected = RequestRejected("EGeneral:Made up in 2027")

    of_list = requests_result(trials(list=rejected))
    of_all = requests_result(trials(look_up=rejected, list=rejected))

    assert of_list.status is of_all.status is CheckStatus.WARNING
    assert of_list.detail == f"the key may use: {LOOK_UP}; the others were not answered"
    assert of_all.detail == "the key may use: none; the others were not answered"
    assert len(of_all.problems) == 2


def test_refused_request_is_a_problem_with_its_hint_and_the_rest_is_named() -> None:
    refused = Refused("EGeneral:Permission denied", hint="give the key the right to query orders")

    result = requests_result(trials(list=refused))

    assert result.status is CheckStatus.PROBLEM
    assert result.exit_code == 78
    assert result.detail == f"the key may not use all requests; it may use: {LOOK_UP}"
    (problem,) = result.problems
    assert problem.what == f"{LIST}: EGeneral:Permission denied"
    assert problem.hint == "give the key the right to query orders"


@pytest.mark.parametrize(
    "failure", [Unavailable("HTTP 502"), RateLimited("429", retry_after_seconds=5)]
)
def test_request_that_is_not_answered_is_a_warning(failure: Failure) -> None:
    result = requests_result(trials(look_up=failure))

    assert result.status is CheckStatus.WARNING
    assert result.detail == f"the key may use: {LIST}; the others were not answered"
    assert all(problem.hint for problem in result.problems)


@pytest.mark.parametrize("nothing", [None, []])
def test_adapter_that_cannot_try_its_requests_is_no_problem(
    nothing: list[RequestTrial] | None,
) -> None:
    assert requests_result(nothing).status is CheckStatus.SKIPPED


def test_each_limit_is_named_with_whom_it_counts_and_what_is_used_of_it() -> None:
    limits = RateLimits(
        (
            *weight_limit(6000),
            RateLimit(
                name="order_history",
                scope=LimitScope.ROUTE,
                amount=50,
                window=timedelta(seconds=1),
            ),
            RateLimit(name="counter", scope=LimitScope.KEY, amount=15, leak_per_second=0.33),
        ),
        1,
    )
    limits.observe(LimitReading(name="weight", used=1234))

    result = limits_result(limits.uses, Settings.load(rate_share=0.25))

    assert result.status is CheckStatus.OK
    assert result.detail == (
        "6,000 weight a minute for an address, of which all programs have used 1,234 now;"
        " 50 order_history in 1 s for an account and route;"
        " 15 counter that leak by 0.33 a second for a key. This host uses at most 25% of each"
    )
