"""Keep a long-lived process small: what it loads, and what its heaps keep."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_ARENA_MAX = -8

_FREE_BYTES = 128 * 1024
"""The bytes that may stay free at the end of a heap: glibc's default, which it would raise."""


@contextmanager
def as_if_not_installed(*names: str) -> Iterator[None]:
    """Make imports of `names` fail in the block, but not later: others may need them.

    For what libraries import only if it is there, and what this process never uses.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment] # None makes an import fail
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def trim_heaps() -> None:
    """Give back the free memory in the middle of the heaps too; takes milliseconds."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def keep_heaps_small() -> None:
    """Let glibc keep no more of this process's memory than is used.

    By default it keeps a heap for each thread that ever allocated any, although Python runs one
    thread at a time, and more and more free memory at the end of each heap. Other C libraries do
    neither.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)
        libc.mallopt(_M_TRIM_THRESHOLD, _FREE_BYTES)
