import pickle

import pytest

from reconciler.errors import (
    BreakerOpen,
    ConfigurationError,
    Malformed,
    Problem,
    RateLimited,
    ReconcilerError,
    Refused,
    SchemaMismatch,
    StoreUnavailable,
)

PROBLEM = Problem(what="no table orders", hint="create it")

ERRORS = [
    ConfigurationError([PROBLEM]),
    SchemaMismatch([PROBLEM, PROBLEM]),
    StoreUnavailable("gone"),
    Malformed("half an answer"),
    RateLimited("slow down", retry_after_seconds=7.5),
    Refused("bad key", hint="make a new one"),
    BreakerOpen(retry_after_seconds=42.0),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_crosses_a_process_border_with_its_facts(error: ReconcilerError) -> None:
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled a moment ago

    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
