"""Blocking calls in threads that delay neither the event loop nor the end of the process.

`asyncio.to_thread` does not do: the process would wait for its threads at exit, so a database that
neither answers nor closes the connection would keep the supervisor from ending.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run_in_daemon_thread(function: Callable[[*Ts], T], *arguments: *Ts) -> asyncio.Future[T]:
    """Start `function(*arguments)` in a thread of its own; return the future of its result.

    Cancelling the future abandons the call: it goes on, and its result is lost.
    """
    outcome: futures.Future[T] = futures.Future()
    outcome.set_running_or_notify_cancel()

    def call() -> None:
        try:
            result = function(*arguments)
        except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    threading.Thread(target=call, daemon=True).start()
    return asyncio.wrap_future(outcome)
