"""Settings that a workload adds to ours are treated like ours."""

import pytest
from pydantic import Field, SecretStr

from reconciler.errors import ConfigurationError
from reconciler.settings import Settings

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
