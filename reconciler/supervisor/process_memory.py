"""The memory of a process, with its part of the memory that it shares with others."""


def pss_bytes(pid: int) -> int | None:
    """Return a process's proportional set size; None if the system does not tell."""
    # The import takes 50 ms, and only a status needs it.
    import psutil  # type: ignore[import-untyped] # noqa: PLC0415 - it ships no types

    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return None
