"""Settings that a workload adds to ours are treated like ours."""

import pytest
from pydantic import Field, SecretStr

from reconciler.domain.contradiction import Comparison
from reconciler.errors import ConfigurationError
from reconciler.settings import COMPARISONS, Settings

SECRET = "the-secret-of-the-tests"


class NodeSettings(Settings):
    node_token: SecretStr = Field(alias="NODE_TOKEN", min_length=100)


def test_a_secret_of_a_subclass_is_not_shown_where_it_does_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NODE_TOKEN", SECRET)

    with pytest.raises(ConfigurationError) as caught:
        NodeSettings.load()

    assert str(caught.value).startswith("NODE_TOKEN: ")
    assert SECRET not in str(caught.value)


def test_a_setting_that_is_missing_is_named_without_what_others_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXCHANGE_API_SECRET", SECRET)

    with pytest.raises(ConfigurationError) as caught:
        NodeSettings.load()

    assert str(caught.value).startswith("NODE_TOKEN: field required\n")
    assert SECRET not in str(caught.value)


def test_everything_that_can_be_compared_can_be_named() -> None:
    assert set(COMPARISONS) == set(Comparison)


@pytest.mark.parametrize(
    ("named", "compared"),
    [
        (None, set(COMPARISONS)),
        ("qty", {"qty"}),
        (" QTY , side", {"qty", "side"}),
        ("none", set()),
    ],
)
def test_what_is_compared_is_what_is_named(named: str | None, compared: set[str]) -> None:
    assert Settings.load(compare=named).compared == compared


@pytest.mark.parametrize("named", ["price", "qty,prise", ","])
def test_what_cannot_be_compared_is_refused(named: str) -> None:
    with pytest.raises(ConfigurationError, match="RECONCILIATION_COMPARE"):
        Settings.load(compare=named)
