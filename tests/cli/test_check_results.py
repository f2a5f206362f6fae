"""The results of checks, and what several of them mean together."""

import pytest

from reconciler.cli.checks.result import (
    CheckResult,
    CheckStatus,
    exit_code_of_all,
    failed,
    overall_status,
    passed,
    result_of,
    skipped,
    warning,
)
from reconciler.cli.checks.settings import unknown_names
from reconciler.cli.exit_codes import Exit
from reconciler.errors import ConfigurationError, Problem, RateLimited, StoreUnavailable

PROBLEM = Problem(what="it is broken", hint="fix it")
PASSED = passed("one", "fine")
WARNING = warning("two", "hm", [PROBLEM])
SKIPPED = skipped("three", "it rains")
AWAY = failed("four", StoreUnavailable("away"))
WRONG = failed("five", ConfigurationError([PROBLEM, PROBLEM]))


@pytest.mark.parametrize(
    ("results", "status", "code"),
    [
        ([PASSED], CheckStatus.OK, Exit.OK),
        ([PASSED, WARNING, PASSED], CheckStatus.WARNING, Exit.OK),
        ([WARNING, AWAY, SKIPPED], CheckStatus.PROBLEM, Exit.UNAVAILABLE),
        ([WRONG, PASSED], CheckStatus.PROBLEM, Exit.CONFIGURATION),
        ([AWAY, WRONG], CheckStatus.PROBLEM, Exit.CONFIGURATION),
        ([WRONG, AWAY], CheckStatus.PROBLEM, Exit.CONFIGURATION),
    ],
)
def test_the_worst_result_decides_status_and_code(
    results: list[CheckResult], status: CheckStatus, code: Exit
) -> None:
    assert overall_status(results) is status
    assert exit_code_of_all(results) is code


def test_a_rate_limited_exchange_counts_as_unavailable() -> None:
    result = failed("exchange", RateLimited("too much", retry_after_seconds=30))

    assert result.exit_code is Exit.UNAVAILABLE
    assert "wait 30 s" in result.problems[0].hint


def test_a_check_with_problems_is_a_configuration_error() -> None:
    assert result_of("rights", [], "all") == passed("rights", "all")
    assert result_of("rights", [PROBLEM], "all").exit_code is Exit.CONFIGURATION


def test_an_unknown_variable_with_our_prefix_is_reported() -> None:
    names = ["RECONCILIATION_SHARDS", "RECONCILIATION_ONCE", "PATH", "RECONCILIATION_XYZZY"]

    assert unknown_names(names) == [
        Problem(what="RECONCILIATION_XYZZY is set, but there is no such setting", hint="unset it")
    ]
