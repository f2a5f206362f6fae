import pytest

from scripts.benchmark import suite
from scripts.benchmark.figures import BenchFailed, Comparison
from scripts.benchmark.size import Size

SIZE = Size.of(orders=100, rounds=1, workers=1, batch_size=10, is_quick=True)
DONE = Comparison(key="done", title="BatchDone", conditions="none", figures=())


def is_done(*_: object) -> Comparison:
    return DONE


def fails(*_: object) -> Comparison:
    raise BenchFailed("less than asked")


def test_comparison_is_reported_even_if_a_later_one_fails(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "COMPARISONS", {"done": lambda: is_done, "fails": lambda: fails})
    told: list[Comparison] = []

    with pytest.raises(BenchFailed, match="less than asked"):
        suite.run(
            ["done", "fails"],
            SIZE,
            lent_url=empty_database_url,
            on_progress=lambda _: None,
            on_comparison=told.append,
        )

    assert told == [DONE]
