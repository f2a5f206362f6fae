"""How much memory a process takes, as its share of what it shares with others."""


def pss_bytes(pid: int) -> int | None:
    """Return a process's proportional set size; None where the system does not say."""
    # 50 ms of a start, for what is only ever asked.
    import psutil  # type: ignore[import-untyped] # noqa: PLC0415 - it ships no types

    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return None
