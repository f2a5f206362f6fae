"""The exit codes, for scripts and service managers.

 0  good                                    70  a bug of ours, or of a library
 1  done, but some orders failed or differ  75  try again later
 2  usage                                   78  configuration is wrong
69  a service that must be there is not    130  interrupted before any work had begun
74  output could not be written: the log, or a result
"""

from enum import IntEnum

from reconciler.errors import (
    BreakerOpen,
    ClockSkew,
    ConfigurationError,
    NoSupervisor,
    OtherRelease,
    RateLimited,
    ReconcilerError,
    Refused,
    SocketTaken,
    StatsdUnavailable,
    StoreUnavailable,
    Unavailable,
    WorkersDying,
)


class Exit(IntEnum):
    """Exit codes; 64 to 78 have the meanings that sysexits.h gives them."""

    OK = 0
    INCOMPLETE = 1
    USAGE = 2
    UNAVAILABLE = 69
    SOFTWARE = 70
    OUTPUT_FAILED = 74
    TRY_AGAIN = 75
    CONFIGURATION = 78
    INTERRUPTED = 130


def exit_code_of(error: ReconcilerError) -> Exit:
    """Return the exit code for an error that ended a command."""
    match error:
        case ConfigurationError() | Refused():
            return Exit.CONFIGURATION
        case StoreUnavailable() | Unavailable() | NoSupervisor() | StatsdUnavailable():
            return Exit.UNAVAILABLE
        case BreakerOpen() | RateLimited() | ClockSkew() | SocketTaken() | OtherRelease():
            return Exit.TRY_AGAIN
        case WorkersDying():
            return Exit.SOFTWARE
        case _:
            return Exit.INCOMPLETE
