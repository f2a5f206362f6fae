"""How much memory a process takes, as its share of what it shares with others."""

import psutil  # type: ignore[import-untyped] # it ships no types


def proportional_bytes(pid: int) -> int | None:
    """Return a process's proportional set size; None where the system does not say."""
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return None
