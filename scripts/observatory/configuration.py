"""The files of `dashboards/` with the folders, ports and steps of one stack.

Nothing else is changed: what runs here is what we ship.
"""

import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.observatory.child import free_port

SHIPPED = Path(__file__).parents[2] / "dashboards"
STATSD_CONFIG = SHIPPED / "statsd" / "config.js"
SHIPPED_FLUSH_SECONDS = 10
GAUGE_SECONDS = 30
"""How long a gauge that nobody sends any more stays; shipped as a number of flushes."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of the stack, all on 127.0.0.1. StatsD's own is UDP."""

    statsd: int
    statsd_admin: int
    carbon: int
    carbon_pickle: int
    carbon_query: int
    web: int

    @classmethod
    def choose(cls, *, statsd: int = 0, web: int = 0) -> "Ports":
        """Choose free ports where none is given."""
        return cls(
            statsd=statsd or free_port(socket.SOCK_DGRAM),
            statsd_admin=free_port(),
            carbon=free_port(),
            carbon_pickle=free_port(),
            carbon_query=free_port(),
            web=web or free_port(),
        )


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The time between two values, and how long which values are kept.

    Attributes:
        flush_seconds: StatsD's flush, Carbon's first step, and the step of its sums.
        retentions: Carbon's steps; None: as shipped, from `flush_seconds` on.
    """

    flush_seconds: int = SHIPPED_FLUSH_SECONDS
    retentions: str | None = None


def statsd_environment(ports: Ports, steps: Steps) -> dict[str, str]:
    """Return the variables that dashboards/statsd/config.js reads."""
    return {
        "STATSD_PORT": str(ports.statsd),
        "STATSD_MGMT_PORT": str(ports.statsd_admin),
        "STATSD_FLUSH_MS": str(steps.flush_seconds * 1000),
        "STATSD_GAUGE_FLUSHES": str(GAUGE_SECONDS // steps.flush_seconds),
        "CARBON_PORT": str(ports.carbon),
    }


def write_carbon_configuration(folder: Path, ports: Ports, steps: Steps) -> Path:
    """Write Carbon's files into `folder`/carbon; return its carbon.conf."""
    target = folder / "carbon"
    shutil.copytree(SHIPPED / "carbon", target, dirs_exist_ok=True)
    _rewrite(
        target / "carbon.conf",
        {
            r"(?m)^STORAGE_DIR = .*": f"STORAGE_DIR = {folder}/",
            r"(?m)^LOCAL_DATA_DIR = .*": f"LOCAL_DATA_DIR = {folder}/whisper/",
            r"(?m)^CONF_DIR = .*": f"CONF_DIR = {target}/",
            r"(?m)^LOG_DIR = .*": f"LOG_DIR = {folder}/log/",
            r"(?m)^PID_DIR = .*": f"PID_DIR = {folder}/",
            r"(?m)^USER = .*": "USER =",
            r"(?m)^LINE_RECEIVER_PORT = .*": f"LINE_RECEIVER_PORT = {ports.carbon}",
            r"(?m)^PICKLE_RECEIVER_PORT = .*": f"PICKLE_RECEIVER_PORT = {ports.carbon_pickle}",
            r"(?m)^CACHE_QUERY_PORT = .*": f"CACHE_QUERY_PORT = {ports.carbon_query}",
        },
    )
    shipped = f"{SHIPPED_FLUSH_SECONDS}s:"
    pattern, retentions = (
        (rf"(?m)^retentions = {shipped}", f"{steps.flush_seconds}s:")
        if steps.retentions is None
        else (rf"(?m)^retentions = {shipped}.*", steps.retentions)
    )
    _rewrite(target / "storage-schemas.conf", {pattern: f"retentions = {retentions}"})
    _rewrite(
        target / "aggregation-rules.conf",
        {rf"\({SHIPPED_FLUSH_SECONDS}\) = ": f"({steps.flush_seconds}) = "},
    )
    return target / "carbon.conf"


def _rewrite(file: Path, replacements: Mapping[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for pattern, replacement in replacements.items():
        text, count = re.subn(pattern, lambda _, new=replacement: new, text)  # type: ignore[misc]
        if count == 0:
            raise LookupError(f"{file.name} has no line like {pattern}")
    file.write_text(text, encoding="utf-8")
