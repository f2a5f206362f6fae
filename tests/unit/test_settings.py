"""Settings are read, checked and hidden alike, also those that another workload adds."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from reconciler.domain.contradiction import ComparedColumn
from reconciler.errors import ConfigurationError
from reconciler.settings import COMPARED_COLUMNS, Settings

SECRET = "the-secret-of-the-tests"


class NodeSettings(Settings):
    node_token: SecretStr = Field(alias="NODE_TOKEN", min_length=100)


def test_invalid_secret_of_a_subclass_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NODE_TOKEN", SECRET)

    with pytest.raises(ConfigurationError) as caught:
        NodeSettings.load()

    assert str(caught.value).startswith("NODE_TOKEN: ")
    assert SECRET not in str(caught.value)


def test_password_in_an_invalid_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_BASE_URL", f"ftp://joe:{SECRET}@gateway.example")

    with pytest.raises(ConfigurationError) as caught:
        Settings.load()

    assert str(caught.value).startswith("EXCHANGE_BASE_URL: ")
    assert SECRET not in str(caught.value)


def test_missing_setting_is_named_without_other_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EXCHANGE_API_SECRET", SECRET)

    with pytest.raises(ConfigurationError) as caught:
        NodeSettings.load()

    assert str(caught.value).startswith("NODE_TOKEN: field required\n")
    assert SECRET not in str(caught.value)


def test_every_column_that_is_compared_can_be_named() -> None:
    assert set(COMPARED_COLUMNS) == set(ComparedColumn)


@pytest.mark.parametrize(
    ("named", "compared"),
    [
        (None, set(COMPARED_COLUMNS)),
        ("qty", {"qty"}),
        (" QTY , side", {"qty", "side"}),
        ("none", set()),
    ],
)
def test_columns_to_compare_are_those_that_are_named(named: str | None, compared: set[str]) -> None:
    assert Settings.load(compare=named).compared == compared


@pytest.mark.parametrize("named", ["price", "qty,prise", ","])
def test_column_that_cannot_be_compared_is_refused(named: str) -> None:
    with pytest.raises(ConfigurationError, match="RECONCILIATION_COMPARE"):
        Settings.load(compare=named)


def test_rule_of_ours_that_a_value_breaks_is_told_as_it_is() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(limits="Weight=0")

    assert caught.value.problems[0].what == (
        "RECONCILIATION_LIMITS is 'Weight=0':"
        " 'Weight=0' is not name=amount with a whole number above 0"
    )


FILES = ("DATABASE_URL", "EXCHANGE_API_KEY", "EXCHANGE_API_SECRET")


@pytest.mark.parametrize("name", FILES)
def test_secret_is_read_from_the_file_that_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"\n  {SECRET}\n")
    monkeypatch.setenv(f"{name}_FILE", str(file))

    settings = Settings.load()

    assert getattr(settings, name.lower()) == SecretStr(SECRET)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "which cannot be read: No such file or directory"),
        (b"", "which is empty"),
        (b" \n ", "which is empty"),
        (b"\xff\xfe\x00", "which cannot be read: it is not text in UTF-8"),
        (b"x" * 70_000, "which has more than 65,536 bytes"),
    ],
    ids=["missing", "empty", "blank", "binary", "large"],
)
def test_file_without_a_secret_is_named_in_the_error(
    content: bytes | None,
    why: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv(f"{name}_FILE", str(file))

    with pytest.raises(ConfigurationError) as caught:
        Settings.load()

    (problem,) = caught.value.problems
    assert problem.what == f"{name}_FILE names {str(file)!r}, {why}"


def test_secret_and_its_file_are_not_both_accepted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("the key of the file")
    monkeypatch.setenv("EXCHANGE_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("EXCHANGE_API_KEY", SECRET)

    with pytest.raises(ConfigurationError) as caught:
        Settings.load()

    (problem,) = caught.value.problems
    assert problem.what == "both EXCHANGE_API_KEY and EXCHANGE_API_KEY_FILE are set"
    assert SECRET not in str(problem)


def test_value_given_in_code_beats_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EXCHANGE_API_KEY_FILE", str(tmp_path / "missing"))

    settings = Settings.load(exchange_api_key=SecretStr(SECRET))

    assert settings.exchange_api_key == SecretStr(SECRET)


def test_unknown_key_type_is_refused_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_KEY_TYPE", "dsa")

    with pytest.raises(ConfigurationError, match="EXCHANGE_KEY_TYPE is 'dsa'"):
        Settings.load()
