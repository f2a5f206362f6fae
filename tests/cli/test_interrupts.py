"""INT and TERM interrupt a command once; its cleaning up is not disturbed."""

import signal
import weakref
from contextlib import ExitStack

import pytest

from reconciler.cli.interrupts import ignore_signals_afterwards, interrupt_on_signals

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@SIGNALS
def test_a_second_signal_does_not_disturb_the_cleaning_up(
    number: signal.Signals,
) -> None:
    cleaned: list[str] = []

    def clean_up() -> None:
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGINT)
        cleaned.append("all")

    def work() -> None:
        with interrupt_on_signals(), ExitStack() as leaving:
            leaving.callback(clean_up)
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cleaned == ["all"]


@SIGNALS
def test_what_comes_after_the_work_is_not_interrupted_at_all(number: signal.Signals) -> None:
    with interrupt_on_signals():
        with ignore_signals_afterwards():
            pass
        signal.raise_signal(number)


@SIGNALS
def test_afterwards_the_signals_mean_what_they_meant_before(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    with interrupt_on_signals(), ignore_signals_afterwards():
        assert signal.getsignal(number) is not before

    assert signal.getsignal(number) is before


@SIGNALS
def test_an_interruption_that_python_can_only_ignore_comes_once_more(
    number: signal.Signals,
) -> None:
    class Module:
        pass

    def work() -> None:
        module = Module()
        lock = weakref.ref(module, lambda _: signal.raise_signal(number))
        with interrupt_on_signals():
            del module
            assert lock() is None
            signal.sigtimedwait([], 10)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
