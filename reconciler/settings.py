"""All settings with their defaults and bounds, from the environment, `.env` and `reconciler.toml`.

A value given in code (a command-line flag) beats the environment, which beats `.env`, which beats
the configuration file. Names, defaults and meanings are documented in docs/reference/settings.md.
Secrets are `SecretStr`: only
`get_secret_value` returns the value, so no log, repr or error shows one by accident.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
)

from reconciler.config_file import ConfigFile, read_config_file
from reconciler.errors import ConfigurationError, Problem
from reconciler.scope import UNSCOPED, Scope
from reconciler.secret_file import UNUSABLE_FILE, read_secret, secret_file_error
from reconciler.statsd_target import (
    DEFAULT_PORT,
    DEFAULT_PREFIX,
    StatsdSettings,
    StatsdTarget,
)

if TYPE_CHECKING:  # Loaded only where it is used: every command would wait for it.
    from reconciler.config_file.orders import OrdersConfig

MAX_SHARDS = 64
COMPARED_COLUMNS = ("qty", "side", "client_order_id", "created_at")
NO_COLUMNS = "none"

CONFIG_VARIABLE = "RECONCILIATION_CONFIG"
DEFAULT_CONFIG = "reconciler.toml"
"""The configuration file in the working directory, which is read if it exists."""

FILE_SUFFIX = "_FILE"
"""The suffix of a setting that names a file with the value of another setting."""


class KeyType(StrEnum):
    """The kind of key that signs the requests."""

    HMAC = "hmac"
    ED25519 = "ed25519"
    RSA = "rsa"
    ES256 = "es256"


@dataclass(frozen=True, kw_only=True)
class BreakerPolicy:
    """The thresholds of a circuit breaker.

    It opens for `open_for` after `failure_threshold` failures within `window`, and closes after
    `success_threshold` successful probes.
    """

    failure_threshold: int = 5
    success_threshold: int = 2
    window: timedelta = timedelta(seconds=60)
    open_for: timedelta = timedelta(seconds=120)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """The waits of up to `retries` retries: `initial`, then times `multiplier`, at most `cap`."""

    retries: int = 3
    initial: timedelta = timedelta(milliseconds=300)
    cap: timedelta = timedelta(seconds=2)
    multiplier: float = 2


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The credentials of an account at an exchange. No repr shows a secret.

    If `key_type` is None, the form of `api_secret` decides.
    """

    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None
    passphrase: SecretStr | None = None
    bearer_token: SecretStr | None = None
    key_type: KeyType | None = None


Positive = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """All settings. Create them with `load`, which reports all problems at once."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    config: str | None = Field(None, alias="RECONCILIATION_CONFIG")
    _orders: "OrdersConfig | None" = PrivateAttr(None)

    # A `_FILE` field stands before its setting: pydantic validates, and reads the file, in order.
    database_url_file: str | None = Field(None, alias="DATABASE_URL_FILE")
    database_url: SecretStr | None = Field(None, alias="DATABASE_URL", validate_default=True)

    exchange_name: str = Field("paper", alias="EXCHANGE_NAME")
    exchange_base_url: str | None = Field(None, alias="EXCHANGE_BASE_URL", pattern="^https?://")
    exchange_api_key_file: str | None = Field(None, alias="EXCHANGE_API_KEY_FILE")
    exchange_api_key: SecretStr | None = Field(
        None, alias="EXCHANGE_API_KEY", validate_default=True
    )
    exchange_api_secret_file: str | None = Field(None, alias="EXCHANGE_API_SECRET_FILE")
    exchange_api_secret: SecretStr | None = Field(
        None, alias="EXCHANGE_API_SECRET", validate_default=True
    )
    exchange_key_type: KeyType | None = Field(None, alias="EXCHANGE_KEY_TYPE")
    exchange_api_passphrase: SecretStr | None = Field(None, alias="EXCHANGE_API_PASSPHRASE")
    unnamed_account: Literal["refuse", "accept"] = Field(
        "refuse", alias="RECONCILIATION_UNNAMED_ACCOUNT"
    )
    test_jwt: SecretStr | None = Field(None, alias="TEST_JWT")

    interval_ms: Positive = Field(45_000, alias="RECONCILIATION_INTERVAL_MS")
    stale_minutes: float = Field(5, alias="RECONCILIATION_STALE_MINUTES", gt=0, le=525_600)
    batch_size: int = Field(200, alias="RECONCILIATION_BATCH_SIZE", gt=0, le=10_000)
    shards: int = Field(
        default_factory=lambda: min(4, os.cpu_count() or 1),
        alias="RECONCILIATION_SHARDS",
        gt=0,
        le=MAX_SHARDS,
    )
    breaker_failure_threshold: Positive = Field(5, alias="RECONCILIATION_BREAKER_FAILURE_THRESHOLD")
    breaker_success_threshold: Positive = Field(2, alias="RECONCILIATION_BREAKER_SUCCESS_THRESHOLD")
    breaker_window_ms: Positive = Field(60_000, alias="RECONCILIATION_BREAKER_WINDOW_MS")
    breaker_open_ms: Positive = Field(120_000, alias="RECONCILIATION_BREAKER_OPEN_MS")
    retry_max: int = Field(3, alias="RECONCILIATION_RETRY_MAX", ge=0, le=20)
    retry_initial_ms: Positive = Field(300, alias="RECONCILIATION_RETRY_INITIAL_MS")
    retry_cap_ms: Positive = Field(2000, alias="RECONCILIATION_RETRY_CAP_MS")
    retry_multiplier: float = Field(2, alias="RECONCILIATION_RETRY_MULTIPLIER", ge=1, le=100)
    rate_share: float = Field(0.5, alias="RECONCILIATION_RATE_SHARE", gt=0, le=1)
    limits: str | None = Field(None, alias="RECONCILIATION_LIMITS")
    compare: str = Field(",".join(COMPARED_COLUMNS), alias="RECONCILIATION_COMPARE")
    drain_seconds: float = Field(20, alias="RECONCILIATION_DRAIN_SECONDS", gt=0, le=3600)
    hang_seconds: float = Field(30, alias="RECONCILIATION_HANG_SECONDS", ge=5, le=3600)
    restart_max: int = Field(5, alias="RECONCILIATION_RESTART_MAX", ge=1, le=100)
    restart_window_ms: Positive = Field(60_000, alias="RECONCILIATION_RESTART_WINDOW_MS")
    control_socket: str | None = Field(None, alias="RECONCILIATION_CONTROL_SOCKET")
    console_key_file: str | None = Field(None, alias="RECONCILIATION_CONSOLE_KEY_FILE")
    console_key: SecretStr | None = Field(
        None, alias="RECONCILIATION_CONSOLE_KEY", validate_default=True
    )

    statsd_host: str | None = Field(None, alias="STATSD_HOST")
    # Any text: a wrong one must not stop the work. `statsd_target` checks them.
    statsd_port: int | str = Field(DEFAULT_PORT, alias="STATSD_PORT", union_mode="left_to_right")
    statsd_prefix: str = Field(DEFAULT_PREFIX, alias="STATSD_PREFIX")
    statsd_required: bool = Field(default=False, alias="STATSD_REQUIRED")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", alias="LOG_LEVEL"
    )
    log_format: Literal["console", "json"] | None = Field(None, alias="LOG_FORMAT")

    @field_validator(
        "database_url", "exchange_api_key", "exchange_api_secret", "console_key", mode="before"
    )
    @classmethod
    def _read_secret_file(cls, value: object, info: ValidationInfo) -> object:
        """Read a secret from the file that the setting with the suffix names."""
        file = info.data.get(f"{info.field_name}{FILE_SUFFIX.lower()}")
        if not file:
            return value
        name = str(cls.model_fields[str(info.field_name)].alias)
        if value is not None:
            raise secret_file_error(
                f"both {name} and {name}{FILE_SUFFIX} are set", f"unset one of {name} and its file"
            )
        return read_secret(Path(file), f"{name}{FILE_SUFFIX}")

    @field_validator(
        "log_level", "log_format", "exchange_key_type", "unnamed_account", mode="before"
    )
    @classmethod
    def _ignore_case(cls, value: object, info: Any) -> object:
        if not isinstance(value, str):
            return value
        return value.upper() if info.field_name == "log_level" else value.lower()

    @field_validator("compare")
    @classmethod
    def _check_compared_columns(cls, value: str) -> str:
        unknown = _split_names(value) - set(COMPARED_COLUMNS) - {NO_COLUMNS}
        if unknown or not _split_names(value):
            raise ValueError(f"not of {', '.join(COMPARED_COLUMNS)}, or {NO_COLUMNS}")
        return value

    @field_validator("limits")
    @classmethod
    def _check_limits(cls, value: str | None) -> str | None:
        _parse_amounts(value or "")
        return value

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings. `overrides`, by field name, beat all other sources unless None.

        `config` is then the configuration file that was read, or None.

        Raises:
            ConfigurationError: settings are invalid, or the configuration file is; it has a problem
                for each.
        """
        given = cls._given(overrides)
        file, values = cls._read_config(given)
        try:
            settings = cls(**values)
        except ValidationError as error:
            invalid = [cls._problem(entry, file) for entry in error.errors()]
            raise ConfigurationError([*file.problems, *invalid]) from None
        settings = settings._with_orders(file.orders)
        if problems := [*file.problems, *settings.exchange_problems]:
            raise ConfigurationError(problems)
        return settings

    @classmethod
    def load_valid(cls) -> tuple[Self, frozenset[str], Sequence[Problem]]:
        """Read the settings, for a check: each invalid one is replaced by its default.

        Returns:
            The settings, the names of the invalid ones, and all problems, as `load` raises them.
        """
        file, values = cls._read_config({})
        entries: Sequence[Any] = ()
        try:
            settings = cls(**values)
        except ValidationError as error:
            entries = error.errors()
        invalid = frozenset(cls._name_in(entry) for entry in entries)
        problems = [cls._problem(entry, file) for entry in entries]
        if entries:
            settings = cls(**(values | cls._defaults(invalid)))
        settings = settings._with_orders(file.orders)
        return settings, invalid, [*file.problems, *problems, *settings.exchange_problems]

    @classmethod
    def config_problems(cls) -> Sequence[Problem]:
        """Return the problems of the configuration file alone, for what needs no settings."""
        file, _ = cls._read_config({})
        return file.problems

    @classmethod
    def config_orders(cls) -> "OrdersConfig":
        """Return what the configuration file says of the user's table, without any settings."""
        from reconciler.config_file.orders import OrdersConfig  # noqa: PLC0415 - as above

        file, _ = cls._read_config({})
        return OrdersConfig() if file.orders is None else file.orders

    @classmethod
    def _given(cls, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the overrides by the names that the environment has for them."""
        given = {
            cls.model_fields[name].alias or name: value
            for name, value in overrides.items()
            if value is not None
        }
        # A value given in code also beats a file that the environment names.
        for name in given.keys() & cls._names_with_files():
            given.setdefault(f"{name}{FILE_SUFFIX}", None)
        return given

    @classmethod
    def _read_config(cls, given: Mapping[str, Any]) -> tuple[ConfigFile, dict[str, Any]]:
        """Read the configuration file; return it with what it sets, and `given` with that."""
        above = {**DotEnvSettingsSource(cls)(), **EnvSettingsSource(cls)(), **given}
        path = above.get(CONFIG_VARIABLE)
        if path is None and os.path.lexists(DEFAULT_CONFIG):
            path = DEFAULT_CONFIG
        if path is None:
            return ConfigFile(), dict(given)
        file = read_config_file(
            Path(path),
            variables=cls._aliases(),
            secrets=cls._secrets(),
            own_variable=CONFIG_VARIABLE,
        )
        hidden = {f"{name}{FILE_SUFFIX}" for name in above.keys() & cls._names_with_files()}
        used = {
            name: value
            for name, value in file.settings.items()
            if name not in above and name not in hidden
        }
        return replace(file, settings=used), {**used, **given, CONFIG_VARIABLE: str(path)}

    @classmethod
    def _problem(cls, entry: Any, file: ConfigFile) -> Problem:
        """Describe an invalid setting, with its value unless that may be secret, or is missing."""
        name = cls._name_in(entry)
        source = f"{name}{FILE_SUFFIX}" if entry["type"] == UNUSABLE_FILE else name
        is_in_file = source in file.settings
        place = f"{file.places[source]}: " if is_in_file else ""
        if entry["type"] == UNUSABLE_FILE:
            return Problem(what=f"{place}{entry['msg']}", hint=entry["ctx"]["hint"])
        value = str(entry["input"])
        # An address with an "@" may have a password before it.
        is_hidden = entry["type"] == "missing" or name in cls._secrets() or "@" in value
        shown = "" if is_hidden else f" is {value[:80]!r}"
        called = file.keys[name] if is_in_file else name
        said = entry["msg"]
        own = said.removeprefix("Value error, ")
        return Problem(
            what=f"{place}{called}{shown}: {said.lower() if own == said else own}",
            hint=f"set {called} to a value that fits, or unset it for the default",
        )

    @classmethod
    def _name_in(cls, entry: Any) -> str:
        """Return the setting that an error is about; for a default, pydantic names the field."""
        located = str(entry["loc"][0])
        field = cls.model_fields.get(located)
        return located if field is None else str(field.alias)

    @classmethod
    def _defaults(cls, names: frozenset[str]) -> dict[str, Any]:
        """Return the settings' defaults, and no file for those that may have one."""
        files = {f"{name}{FILE_SUFFIX}": None for name in names & cls._names_with_files()}
        return files | {
            str(field.alias): field.get_default(call_default_factory=True, validated_data={})
            for field in cls.model_fields.values()
            if field.alias in names
        }

    @classmethod
    def _names_with_files(cls) -> set[str]:
        """Return the settings whose value can be in a file of its own."""
        files = (name for name in cls._aliases() if name.endswith(FILE_SUFFIX))
        return {name.removesuffix(FILE_SUFFIX) for name in files}

    @classmethod
    def _aliases(cls) -> set[str]:
        return {str(field.alias) for field in cls.model_fields.values()}

    @classmethod
    def _secrets(cls) -> set[str]:
        fields = cls.model_fields.values()
        return {str(field.alias) for field in fields if "SecretStr" in str(field.annotation)}

    @property
    def required_database_url(self) -> str:
        """The URL of the database.

        Raises:
            ConfigurationError: it is not set.
        """
        if self.database_url is None:
            raise ConfigurationError(
                [
                    Problem(
                        what="DATABASE_URL is not set",
                        hint="export DATABASE_URL=postgresql://user:password@host:5432/name",
                    )
                ]
            )
        return self.database_url.get_secret_value()

    @property
    def orders(self) -> "OrdersConfig":
        """The user's table: what the configuration file says, or the names of the demo."""
        return self.orders_of_every_exchange.of_exchange(self.exchange_name)

    @property
    def orders_of_every_exchange(self) -> "OrdersConfig":
        """The user's table, with the rows of other exchanges too where a column names them."""
        from reconciler.config_file.orders import OrdersConfig  # noqa: PLC0415 - as above

        return OrdersConfig() if self._orders is None else self._orders

    @property
    def exchange_problems(self) -> Sequence[Problem]:
        """A problem if the configuration file says that all rows are of another exchange."""
        if self._orders is None:
            return ()
        problem = self._orders.exchange_problem(self.exchange_name)
        return () if problem is None else (problem,)

    def with_orders_of_the_demo(self) -> Self:
        """Return the settings without what the configuration file says of the user's table."""
        return self._with_orders(None)

    def _with_orders(self, orders: "OrdersConfig | None") -> Self:
        settings = self.model_copy()
        settings._orders = orders  # noqa: SLF001 - our own class
        return settings

    @property
    def scope(self) -> Scope:
        """The name of this program among several over one table."""
        return UNSCOPED if self._orders is None else Scope(self._orders.scope or UNSCOPED)

    @property
    def stale_after(self) -> timedelta:
        """The age of the last sync at which an open order is stale."""
        return timedelta(minutes=self.stale_minutes)

    @property
    def compared(self) -> frozenset[str]:
        """The columns of a row that are compared with the exchange's report of the order."""
        return frozenset(_split_names(self.compare) - {NO_COLUMNS})

    @property
    def lowered_limits(self) -> Mapping[str, int]:
        """The amounts to which limits of the exchange are lowered, by their names."""
        return _parse_amounts(self.limits or "")

    @property
    def interval(self) -> timedelta:
        """The pause between two sweeps."""
        return timedelta(milliseconds=self.interval_ms)

    @property
    def breaker(self) -> BreakerPolicy:
        """The policy of each circuit breaker."""
        return BreakerPolicy(
            failure_threshold=self.breaker_failure_threshold,
            success_threshold=self.breaker_success_threshold,
            window=timedelta(milliseconds=self.breaker_window_ms),
            open_for=timedelta(milliseconds=self.breaker_open_ms),
        )

    @property
    def retry(self) -> RetryPolicy:
        """The policy of retries."""
        return RetryPolicy(
            retries=self.retry_max,
            initial=timedelta(milliseconds=self.retry_initial_ms),
            cap=timedelta(milliseconds=self.retry_cap_ms),
            multiplier=self.retry_multiplier,
        )

    @property
    def credentials(self) -> Credentials:
        """The credentials for the exchange."""
        return Credentials(
            api_key=self.exchange_api_key,
            api_secret=self.exchange_api_secret,
            passphrase=self.exchange_api_passphrase,
            bearer_token=self.test_jwt,
            key_type=self.exchange_key_type,
        )

    @property
    def statsd(self) -> StatsdTarget:
        """The target of the metrics."""
        return self._statsd_settings.target

    @property
    def statsd_problems(self) -> Sequence[Problem]:
        """What is wrong with the settings of the metrics: it stops a run if they are required."""
        return self._statsd_settings.problems

    @property
    def _statsd_settings(self) -> StatsdSettings:
        return StatsdSettings(
            host=self.statsd_host,
            port=self.statsd_port,
            prefix=self.statsd_prefix,
            is_required=self.statsd_required,
            scope=self.scope,
        )


def _split_names(listed: str) -> set[str]:
    """Return the names in a comma-separated list, in lower case."""
    return {name.strip().lower() for name in listed.split(",")} - {""}


def _parse_amounts(text: str) -> dict[str, int]:
    """Read "name=amount, name=amount", the amounts of limits by their names.

    Raises:
        ValueError: it is no such list, or an amount is no whole number above 0.
    """
    amounts: dict[str, int] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        name, separator, amount = (part.strip() for part in entry.partition("="))
        if not (separator and name and amount.isdecimal() and amount.isascii() and int(amount)):
            raise ValueError(f"{entry[:40]!r} is not name=amount with a whole number above 0")
        if name in amounts:
            raise ValueError(f"{name[:40]!r} is there twice")
        amounts[name] = int(amount)
    return amounts
