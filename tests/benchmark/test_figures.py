import pytest

from scripts.benchmark.figures import Figure, Target, ratio


def test_a_figure_shows_its_middle_and_its_spread() -> None:
    figure = Figure(name="ours", unit="orders/s", values=(300.0, 100.0, 200.0))

    shown = figure.as_json()

    assert (shown["median"], shown["lowest"], shown["highest"]) == (200, 100, 300)
    assert shown["values"] == [300, 100, 200]


def test_ratios_are_taken_within_a_round() -> None:
    slow_round, fast_round = 0.1, 10.0

    found = ratio([2 * slow_round, 2 * fast_round, 2.0], [slow_round, fast_round, 1.0])

    assert found == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("reached", "at_most", "is_met"),
    [(1.5, False, True), (1.4, False, False), (1.5, True, True), (1.6, True, False)],
)
def test_a_target_is_a_floor_unless_it_is_said_to_be_a_ceiling(
    *, reached: float, at_most: bool, is_met: bool
) -> None:
    target = Target(name="times as fast", wanted=1.5, reached=reached, at_most=at_most)

    assert target.is_met is is_met
    assert target.as_json()["met"] is is_met


def test_digits_that_are_only_noise_are_left_out() -> None:
    figure = Figure(name="ours", unit="orders/s", values=(0.123456, 61234.56))

    assert figure.as_json()["values"] == [0.1235, 61235]
