"""The options of the console."""

from dataclasses import dataclass

from pydantic import SecretStr

from reconciler.console.addresses import Origin
from reconciler.console.tune_report import TuneReport


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions:
    """The options of the console.

    Attributes:
        host, port: Where to listen; port 0 picks a free one.
        base_path: The path under which a proxy has the console: "" or "/some/path".
        public_origin: The origin under which a proxy has the console; None without a proxy.
        operator: Who acts, for the audit trail; None if nothing can be changed from the console.
        tune_report: A saved report of `tune --json`, for the page about tuning.
        key: The configured key, with which a person can sign in at any time.
    """

    host: str
    port: int
    base_path: str = ""
    public_origin: Origin | None = None
    operator: str | None = None
    key: SecretStr | None = None
    tune_report: TuneReport | None = None

    @property
    def is_read_only(self) -> bool:
        """True if nothing can be changed from the console."""
        return self.operator is None
