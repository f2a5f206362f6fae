"""The decisions about holds that were made here: each with its progress and its result.

A decision about many holds goes on in a thread of its own, so that no browser waits for it.
"""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from reconciler.errors import ReconcilerError
from reconciler.store.hold_decisions import DecisionResult

MOST_KEPT = 100
FIRST_ANSWER_SECONDS = 1.0

_log = structlog.get_logger(__name__)

Progress = Callable[[DecisionResult], None]
Act = Callable[[Progress], DecisionResult]


@dataclass(kw_only=True)
class Decision:
    """A decision: what was decided, and how far it is.

    Attributes:
        result: The result so far.
        fault: Why it did not go on; what was done before stays done.
    """

    number: int
    result: DecisionResult
    fault: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_running(self) -> bool:
        """True until it has ended."""
        return not self.ended.is_set()


class Decisions:
    """The latest decisions."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._kept: dict[int, Decision] = {}

    def find(self, number: int | None) -> Decision | None:
        """Return a decision; None if there is none with this number any more."""
        return None if number is None else self._kept.get(number)

    def start(self, *, verb: str, by: str, matched: int, act: Act) -> Decision:
        """Begin a decision in a thread; return when it has ended, or after a moment.

        `act` decides, and calls what it is given with each result so far.
        """
        empty = DecisionResult(verb=verb, by=by, matched=matched)
        with self._lock:
            decision = Decision(number=next(self._numbers), result=empty)
            self._kept[decision.number] = decision
            for old in list(self._kept)[:-MOST_KEPT]:
                del self._kept[old]
        threading.Thread(target=_run, args=(decision, act), name="decision", daemon=True).start()
        decision.ended.wait(FIRST_ANSWER_SECONDS)
        return decision


def _run(decision: Decision, act: Act) -> None:
    def on_progress(result: DecisionResult) -> None:
        decision.result = result

    try:
        decision.result = act(on_progress)
    except ReconcilerError as error:
        decision.fault = str(error)
    except Exception:  # noqa: BLE001 - the top of a thread: logged, and shown
        _log.exception("console.decision_failed")
        decision.fault = "this should not have happened; the log of reconciler console has details"
    finally:
        result = decision.result
        decision.ended.set()
        _log.info(
            "console.decided",
            verb=result.verb,
            by=result.by,
            matched=result.matched,
            done=result.done,
            refused=result.refused,
            fault=decision.fault,
        )
