"""What several findings mean together."""

import pytest

from reconciler.cli.checks.finding import (
    Finding,
    Verdict,
    exit_code_of_all,
    failed,
    good,
    judged,
    skipped,
    verdict_of,
    warning,
)
from reconciler.cli.checks.settings import unknown_names
from reconciler.cli.exit_codes import Exit
from reconciler.errors import ConfigurationError, Problem, RateLimited, StoreUnavailable

PROBLEM = Problem(what="it is broken", hint="fix it")
GOOD = good("one", "fine")
WARNING = warning("two", "hm", [PROBLEM])
SKIPPED = skipped("three", "it rains")
AWAY = failed("four", StoreUnavailable("away"))
WRONG = failed("five", ConfigurationError([PROBLEM, PROBLEM]))


@pytest.mark.parametrize(
    ("findings", "verdict", "code"),
    [
        ([GOOD], Verdict.OK, Exit.GOOD),
        ([GOOD, WARNING, GOOD], Verdict.WARNING, Exit.GOOD),
        ([WARNING, AWAY, SKIPPED], Verdict.PROBLEM, Exit.UNAVAILABLE),
        ([WRONG, GOOD], Verdict.PROBLEM, Exit.CONFIGURATION),
        ([AWAY, WRONG], Verdict.PROBLEM, Exit.CONFIGURATION),
        ([WRONG, AWAY], Verdict.PROBLEM, Exit.CONFIGURATION),
    ],
)
def test_the_worst_finding_decides(findings: list[Finding], verdict: Verdict, code: Exit) -> None:
    assert verdict_of(findings) is verdict
    assert exit_code_of_all(findings) is code


def test_a_limited_rate_is_a_service_that_is_not_there_now() -> None:
    finding = failed("exchange", RateLimited("too much", retry_after_seconds=30))

    assert finding.exit_code is Exit.UNAVAILABLE
    assert "wait 30 s" in finding.problems[0].hint


def test_a_check_without_problems_is_good_and_with_some_it_is_configuration() -> None:
    assert judged("rights", [], "all") == good("rights", "all")
    assert judged("rights", [PROBLEM], "all").exit_code is Exit.CONFIGURATION


def test_a_name_like_ours_that_nobody_reads_is_found_and_others_are_left_alone() -> None:
    names = ["RECONCILIATION_SHARDS", "RECONCILIATION_ONCE", "PATH", "RECONCILIATION_XYZZY"]

    assert unknown_names(names) == [
        Problem(what="RECONCILIATION_XYZZY is set, but there is no such setting", hint="unset it")
    ]
