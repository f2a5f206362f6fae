"""The machine and the versions of a measurement."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil  # type: ignore[import-untyped] # it ships no types

from reconciler import __version__
from reconciler.trial.scratch_database import ScratchDatabase

PACKAGES = (
    "psycopg",
    "sqlalchemy",
    "httpx",
    "msgspec",
    "pgqueuer",
    "asyncpg",
    "procrastinate",
    "ccxt",
    "aiohttp",
)


def machine() -> dict[str, object]:
    """Return the machine's processor, cores, memory and present load."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def versions(scratch: ScratchDatabase) -> dict[str, str | None]:
    """Return the versions of everything that takes part; None where it is not installed."""
    return {
        "reconciler": __version__,
        "python": platform.python_version(),
        "postgresql": scratch.server_version(),
        **{name: _version_of(name) for name in PACKAGES},
    }


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
