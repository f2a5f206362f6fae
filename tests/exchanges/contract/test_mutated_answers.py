"""A few thousand mutated answers for each adapter; `scripts/mutated-answers` gives it a million."""

from tests.exchanges.contract.dialect import Dialect
from tests.exchanges.contract.mutated_answers import run_mutated_answers

ANSWERS = 2_000


async def test_mutated_answers_become_a_report_a_hold_or_a_named_error(dialect: Dialect) -> None:
    result = await run_mutated_answers([dialect], answers=ANSWERS)

    assert result.complaints == []
    assert result.answers.total() >= ANSWERS
    # The mutations are worth something: many answers are read, and many are not.
    assert result.outcomes["Report"] > ANSWERS / 20
    assert sum(result.outcomes[name] for name in ("Malformed", "UnreadableRow")) > ANSWERS / 20
