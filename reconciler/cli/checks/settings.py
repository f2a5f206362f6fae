"""Do the settings fit? Where one does not, the others are still good for further checks."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource

from reconciler.cli.checks.result import CheckResult, failed, passed, warning
from reconciler.errors import ConfigurationError, Problem
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
    """The settings, with the default in place of each that does not fit: those are `broken`."""

    settings: Settings
    broken: frozenset[str]
    result: CheckResult

    def is_broken(self, prefix: str) -> bool:
        """Whether a setting whose name begins so does not fit."""
        return any(name.startswith(prefix) for name in self.broken)


def check_settings() -> CheckedSettings:
    """Read the settings, whatever is wrong with them."""
    broken: frozenset[str] = frozenset()
    misfits: Sequence[Problem] = ()
    try:
        settings = Settings.load()
    except ConfigurationError as error:
        broken, misfits = _broken_names(), error.problems
        settings = Settings.model_validate(_defaults(broken))
    names = {*os.environ, *DotEnvSettingsSource(Settings, case_sensitive=True).env_vars}
    wrong = [*misfits, *_unusable(settings, broken)]
    doubtful = [*unknown_names(names), *_implied(settings, broken)]
    if unused := find_unused_passphrase(settings):
        doubtful.append(unused)
    return CheckedSettings(settings=settings, broken=broken, result=_result(wrong, doubtful))


def paper_is_implied(settings: Settings) -> str | None:
    """Return where the paper exchange would be, where nobody has said which exchange is meant."""
    if "exchange_name" in settings.model_fields_set:
        return None
    return venue(settings.exchange_name, settings.exchange_base_url).base_url


def find_unused_passphrase(settings: Settings) -> Problem | None:
    """Return a remark if a passphrase is set and the exchange takes none."""
    if settings.exchange_api_passphrase is None:
        return None
    try:
        return unused_passphrase(venue(settings.exchange_name), settings.credentials)
    except ConfigurationError:
        return None  # There is no such exchange, and that is reported.


def _result(wrong: Sequence[Problem], doubtful: Sequence[Problem]) -> CheckResult:
    if wrong:
        return failed(CHECK, ConfigurationError([*wrong, *doubtful]))
    if doubtful:
        return warning(CHECK, "every value fits, but see below", doubtful)
    return passed(CHECK, "every value fits")


def _unusable(settings: Settings, broken: Collection[str]) -> Iterator[Problem]:
    """Name what is missing, or fits by its form and yet cannot be used."""
    if "DATABASE_URL" not in broken:
        yield from _problems_of(lambda: parse_url(settings.required_database_url))
    if "EXCHANGE_NAME" not in broken:
        yield from _problems_of(lambda: venue(settings.exchange_name))


def _problems_of(act: Callable[[], object]) -> Sequence[Problem]:
    try:
        act()
    except ConfigurationError as error:
        return error.problems
    return ()


def _implied(settings: Settings, broken: Collection[str]) -> Iterator[Problem]:
    if not any(name.startswith("EXCHANGE_") for name in broken) and (
        url := paper_is_implied(settings)
    ):
        yield Problem(
            what=f"EXCHANGE_NAME is not set: the paper exchange at {url} is meant",
            hint="set EXCHANGE_NAME to the exchange that you mean, or to paper",
        )


def unknown_names(names: Iterable[str]) -> list[Problem]:
    """Name the variables that look like ours but are none: most likely misspelled."""
    return [
        Problem(what=f"{name} is set, but there is no such setting", hint=_suggestion(name))
        for name in sorted(names)
        if name.startswith(_PREFIX) and name not in _KNOWN
    ]


def _suggestion(name: str) -> str:
    # Without the prefix, which makes any two of them look alike.
    endings = {known.removeprefix(_PREFIX): known for known in _KNOWN}
    alike = get_close_matches(name.removeprefix(_PREFIX), endings, n=1)
    return f"rename it to {endings[alike[0]]}, or unset it" if alike else "unset it"


def _broken_names() -> frozenset[str]:
    try:
        Settings.model_validate({})
    except ValidationError as error:
        return frozenset(str(entry["loc"][0]) for entry in error.errors())
    return frozenset()


def _defaults(names: Collection[str]) -> dict[str, object]:
    return {
        str(field.alias): field.get_default(call_default_factory=True, validated_data={})
        for field in Settings.model_fields.values()
        if field.alias in names
    }
