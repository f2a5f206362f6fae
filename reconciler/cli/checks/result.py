"""What one check found, and what all of them together mean. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.cli.errors import problems_of
from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.errors import ConfigurationError, Problem, ReconcilerError


class CheckStatus(StrEnum):
    """How a check came out. A warning stops nobody; a skipped one waits for another to be fixed."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one check found.

    Attributes:
        exit_code: What it alone would make the command end with.
    """

    check: str
    status: CheckStatus
    detail: str
    problems: tuple[Problem, ...] = ()
    exit_code: Exit = Exit.GOOD


def passed(check: str, detail: str) -> CheckResult:
    """Return that all is well."""
    return CheckResult(check=check, status=CheckStatus.OK, detail=detail)


def warning(check: str, detail: str, problems: Sequence[Problem]) -> CheckResult:
    """Return what somebody should look at, though it works."""
    return CheckResult(
        check=check, status=CheckStatus.WARNING, detail=detail, problems=tuple(problems)
    )


def skipped(check: str, until: str) -> CheckResult:
    """Return that it could not be looked at before `until`."""
    return CheckResult(check=check, status=CheckStatus.SKIPPED, detail=f"not checked until {until}")


def failed(check: str, error: ReconcilerError) -> CheckResult:
    """Return what went wrong: configuration, or a service that is not there."""
    problems = tuple(problems_of(error))
    is_configuration = exit_code_of(error) is Exit.CONFIGURATION
    return CheckResult(
        check=check,
        status=CheckStatus.PROBLEM,
        detail="see below" if len(problems) == 1 else f"{len(problems)} problems, see below",
        problems=problems,
        exit_code=Exit.CONFIGURATION if is_configuration else Exit.UNAVAILABLE,
    )


def result_of(check: str, problems: Sequence[Problem], detail: str) -> CheckResult:
    """Return that all is well if there are no problems, else those."""
    return failed(check, ConfigurationError(problems)) if problems else passed(check, detail)


def overall_status(results: Iterable[CheckResult]) -> CheckStatus:
    """Return the worst verdict of all; what was skipped counts as nothing."""
    found = {result.status for result in results}
    worst_first = (CheckStatus.PROBLEM, CheckStatus.WARNING)
    return next((status for status in worst_first if status in found), CheckStatus.OK)


def exit_code_of_all(results: Iterable[CheckResult]) -> Exit:
    """Return 78 where configuration is wrong, else 69 where a service is not there, else 0."""
    return max(result.exit_code for result in results)
