"""The result of one check, and of all checks together. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.error_hints import problems_of
from reconciler.errors import ConfigurationError, Problem, ReconcilerError


class CheckStatus(StrEnum):
    """The status of a check. A warning prevents nothing; a skipped check waits for another."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of one check.

    Attributes:
        exit_code: The command's exit code if this were the only check.
    """

    check: str
    status: CheckStatus
    detail: str
    problems: tuple[Problem, ...] = ()
    exit_code: Exit = Exit.OK


def passed(check: str, detail: str) -> CheckResult:
    """Return a result without problems."""
    return CheckResult(check=check, status=CheckStatus.OK, detail=detail)


def warning(check: str, detail: str, problems: Sequence[Problem]) -> CheckResult:
    """Return a result that does not prevent a run, but needs attention."""
    return CheckResult(
        check=check, status=CheckStatus.WARNING, detail=detail, problems=tuple(problems)
    )


def skipped(check: str, until: str) -> CheckResult:
    """Return the result of a check that cannot run before `until` is true."""
    return CheckResult(check=check, status=CheckStatus.SKIPPED, detail=f"not checked until {until}")


def failed(check: str, error: ReconcilerError) -> CheckResult:
    """Return the result of a failed check: wrong configuration, or a service that is away."""
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
    """Return a failed check if there are problems, else a passed one."""
    return failed(check, ConfigurationError(problems)) if problems else passed(check, detail)


def overall_status(results: Iterable[CheckResult]) -> CheckStatus:
    """Return the worst status of all; skipped checks do not count."""
    found = {result.status for result in results}
    worst_first = (CheckStatus.PROBLEM, CheckStatus.WARNING)
    return next((status for status in worst_first if status in found), CheckStatus.OK)


def exit_code_of_all(results: Iterable[CheckResult]) -> Exit:
    """Return 78 if the configuration is wrong, else 69 if a service is away, else 0."""
    return max(result.exit_code for result in results)
