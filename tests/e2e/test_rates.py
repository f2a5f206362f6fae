import re
from collections.abc import Sequence
from types import ModuleType

import pytest

from ..scripts import load_script, run_script  # noqa: TID252 - tests are no package


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return load_script("rates")


@pytest.mark.long
def test_every_step_and_a_crashing_shard_are_measured_and_judged() -> None:
    """The values are not checked: other processes take the cores here."""
    ended = run_script("rates", "--short")

    steps = re.findall(r"^ +(\d+) +([1-9]\d*) +\d+ *$", ended.stdout, re.MULTILINE)
    assert [shards for shards, _ in steps] == ["1", "4", "1"], ended.stdout + ended.stderr
    assert re.search(r"[1-9]\d* +[1-9]\d* +\d+% +[1-6] *$", ended.stdout, re.MULTILINE), (
        ended.stdout + ended.stderr
    )
    assert ended.returncode == ("complaint" in ended.stdout)


@pytest.mark.parametrize(
    ("rates", "complaints"),
    [
        pytest.param((100, 400, 150, 50, 200), [], id="it follows every step"),
        pytest.param((100, 125, 100, 80, 100), [], id="just far enough"),
        pytest.param(
            (100, 120, 50, 25, 50), ["from 2 shards to 8"], id="more shards, no more done"
        ),
        pytest.param((100, 400, 390, 50, 200), ["from 8 shards to 3"], id="fewer shards, as much"),
        pytest.param(
            (100, 90, 95, 100, 95),
            [
                "from 2 shards to 8",
                "from 8 shards to 3",
                "from 3 shards to 1",
                "from 1 shards to 4",
            ],
            id="the other way round",
        ),
    ],
)
def test_a_rate_that_does_not_follow_is_named(
    script: ModuleType, rates: Sequence[float], complaints: Sequence[str]
) -> None:
    steps = [
        script.Step(shards=shards, rate=rate)
        for shards, rate in zip((2, 8, 3, 1, 4), rates, strict=True)
    ]

    found = list(script.not_followed(steps))

    assert len(found) == len(complaints)
    assert all(start in text for start, text in zip(complaints, found, strict=True))


@pytest.mark.parametrize(
    ("kept", "deaths", "complaint"),
    [
        pytest.param((0.9, 0.95, 1.0), 6, None, id="kept"),
        pytest.param((0.5, 0.9, 0.9), 6, None, id="kept but in one pair"),
        pytest.param((0.8, 0.89, 1.0), 6, "the others keep 89% of their rate", id="not kept"),
        pytest.param((1.0, 1.0, 1.0), 7, "7 workers crashed", id="no limit"),
        pytest.param((1.0, 1.0, 1.0), 0, "0 workers crashed", id="nothing crashed"),
    ],
)
def test_crashes_that_cost_the_others_or_have_no_limit_are_named(
    script: ModuleType, kept: Sequence[float], deaths: int, complaint: str | None
) -> None:
    pairs = [
        script.Pair(without_crashes=100.0, with_crashes=100.0 * share, deaths=number)
        for share, number in zip(kept, (6, 6, deaths), strict=True)
    ]

    found = list(script.not_kept(pairs, 0.9))

    assert len(found) == (complaint is not None)
    assert complaint is None or complaint in found[0]
