"""Check of the settings. If some are invalid, the further checks still use the others."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from pydantic_settings import DotEnvSettingsSource

from reconciler.cli.checks.result import CheckResult, failed, passed, warning
from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.configured_venue import configured_venue
from reconciler.exchanges.credentials import unused_passphrase
from reconciler.exchanges.registry import venue
from reconciler.settings import Settings
from reconciler.store.database_url import parse_url

CHECK = "settings"

_PREFIX = "RECONCILIATION_"
_KNOWN = frozenset(
    {str(field.alias) for field in Settings.model_fields.values()}
    | {f"{_PREFIX}ONCE", f"{_PREFIX}DRY_RUN"}
)


@dataclass(frozen=True, kw_only=True)
class CheckedSettings:
    """The settings. Each invalid one is replaced by its default, and named in `invalid`."""

    settings: Settings
    invalid: frozenset[str]
    result: CheckResult

    def has_invalid(self, prefix: str) -> bool:
        """Return True if a setting with this prefix is invalid."""
        return any(name.startswith(prefix) for name in self.invalid)


def check_settings() -> CheckedSettings:
    """Read the settings, and report all their problems."""
    settings, invalid, problems = Settings.load_valid()
    names = {*os.environ, *DotEnvSettingsSource(Settings, case_sensitive=True).env_vars}
    errors = [*problems, *_unusable(settings, invalid)]
    warnings = [*unknown_names(names), *_implied(settings, invalid)]
    if unused := find_unused_passphrase(settings):
        warnings.append(unused)
    return CheckedSettings(
        settings=settings, invalid=invalid, result=_check_result(settings, errors, warnings)
    )


def implied_paper_url(settings: Settings) -> str | None:
    """Return the paper exchange's address if the settings name no exchange, else None."""
    if "exchange_name" in settings.model_fields_set:
        return None
    return venue(settings.exchange_name, settings.exchange_base_url).address


def find_unused_passphrase(settings: Settings) -> Problem | None:
    """Return a remark if a passphrase is set and the exchange takes none."""
    if settings.exchange_api_passphrase is None:
        return None
    try:
        return unused_passphrase(venue(settings.exchange_name), settings.credentials)
    except ConfigurationError:
        return None  # There is no such exchange, and that is reported.


def _check_result(
    settings: Settings, errors: Sequence[Problem], warnings: Sequence[Problem]
) -> CheckResult:
    read = "" if settings.config is None else f"; {settings.config} is read"
    if errors:
        result = failed(CHECK, ConfigurationError([*errors, *warnings]))
        return replace(result, detail=f"{result.detail}{read}")
    if warnings:
        return warning(CHECK, f"every value is valid, but see below{read}", warnings)
    return passed(CHECK, f"every value is valid{read}")


def _unusable(settings: Settings, invalid: Collection[str]) -> Iterator[Problem]:
    """Return the problems of settings that are missing, or valid in form but unusable."""
    if "DATABASE_URL" not in invalid:
        yield from _problems_of(lambda: parse_url(settings.required_database_url))
    if "EXCHANGE_NAME" not in invalid:
        yield from _problems_of(lambda: configured_venue(settings))


def _problems_of(read: Callable[[], object]) -> Sequence[Problem]:
    try:
        read()
    except ConfigurationError as error:
        return error.problems
    return ()


def _implied(settings: Settings, invalid: Collection[str]) -> Iterator[Problem]:
    if not any(name.startswith("EXCHANGE_") for name in invalid) and (
        url := implied_paper_url(settings)
    ):
        yield Problem(
            what=f"EXCHANGE_NAME is not set: the paper exchange at {url} is used",
            hint="set EXCHANGE_NAME to your exchange, or to paper",
        )


def unknown_names(names: Iterable[str]) -> list[Problem]:
    """Return a problem for each variable that looks like a misspelled setting of ours."""
    return [
        Problem(what=f"{name} is set, but there is no such setting", hint=_suggestion(name))
        for name in sorted(names)
        if name.startswith(_PREFIX) and name not in _KNOWN
    ]


def _suggestion(name: str) -> str:
    # Compared without the prefix, with which any two of them are similar.
    endings = {known.removeprefix(_PREFIX): known for known in _KNOWN}
    similar = get_close_matches(name.removeprefix(_PREFIX), endings, n=1)
    return f"rename it to {endings[similar[0]]}, or unset it" if similar else "unset it"
