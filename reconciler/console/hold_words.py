"""The reasons of holds in words that need no knowledge of the reconciler. Pure."""

from typing import NamedTuple

from reconciler.console.where_to_look import Fault
from reconciler.domain.decide import HoldReason


class HoldWords(NamedTuple):
    """What a reason means for the orders, and what to do about it, and whose fault it is."""

    meaning: str
    advice: str
    fault: Fault = Fault.DECISION


HOLD_WORDS = {
    HoldReason.NOT_FOUND: HoldWords(
        "not found at the exchange",
        "check the account and their ids at the exchange, then accept or dismiss",
        Fault.APPLICATION,
    ),
    HoldReason.ERROR: HoldWords(
        "cannot be asked about, or cannot be written", "correct what the hold's detail names"
    ),
    HoldReason.UNKNOWN_STATUS: HoldWords(
        "have a status at the exchange that this version does not know",
        "look them up at the exchange, then upgrade the reconciler; do not accept blindly",
        Fault.VERSION,
    ),
    HoldReason.CONFLICT: HoldWords(
        "contradict what the exchange says", "correct the side that is wrong"
    ),
    HoldReason.REGRESSION: HoldWords(
        "have more executed than the exchange says", "wait for the next attempts, then decide"
    ),
    HoldReason.CRASHED_WORKER: HoldWords(
        "crashed the worker that processed them",
        "find what kills the workers, then dismiss",
        Fault.PROCESS,
    ),
}
