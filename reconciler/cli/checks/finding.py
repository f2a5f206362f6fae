"""What one check found, and what all of them together mean. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.cli.errors import problems_of
from reconciler.cli.exit_codes import Exit, exit_code_of
from reconciler.errors import ConfigurationError, Problem, ReconcilerError


class Verdict(StrEnum):
    """How a check came out. A warning stops nobody; a skipped one waits for another to be fixed."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        exit_code: What it alone would make the command end with.
    """

    check: str
    verdict: Verdict
    detail: str
    problems: tuple[Problem, ...] = ()
    exit_code: Exit = Exit.GOOD


def good(check: str, detail: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def warning(check: str, detail: str, problems: Sequence[Problem]) -> Finding:
    """Return what somebody should look at, though it works."""
    return Finding(check=check, verdict=Verdict.WARNING, detail=detail, problems=tuple(problems))


def skipped(check: str, until: str) -> Finding:
    """Return that it could not be looked at before `until`."""
    return Finding(check=check, verdict=Verdict.SKIPPED, detail=f"not checked until {until}")


def failed(check: str, error: ReconcilerError) -> Finding:
    """Return what went wrong: configuration, or a service that is not there."""
    problems = tuple(problems_of(error))
    is_configuration = exit_code_of(error) is Exit.CONFIGURATION
    return Finding(
        check=check,
        verdict=Verdict.PROBLEM,
        detail="see below" if len(problems) == 1 else f"{len(problems)} problems, see below",
        problems=problems,
        exit_code=Exit.CONFIGURATION if is_configuration else Exit.UNAVAILABLE,
    )


def judged(check: str, problems: Sequence[Problem], detail: str) -> Finding:
    """Return that all is well if there are no problems, else those."""
    return failed(check, ConfigurationError(problems)) if problems else good(check, detail)


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """Return the worst verdict of all; what was skipped counts as nothing."""
    found = {finding.verdict for finding in findings}
    worst_first = (Verdict.PROBLEM, Verdict.WARNING)
    return next((verdict for verdict in worst_first if verdict in found), Verdict.OK)


def exit_code_of_all(findings: Iterable[Finding]) -> Exit:
    """Return 78 where configuration is wrong, else 69 where a service is not there, else 0."""
    return max(finding.exit_code for finding in findings)
