import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from reconciler.telemetry.redact import (
    MASK,
    Redactor,
    is_secret_name,
    mask_named,
    redact,
    register_secrets,
)

SECRET = "q7Zp/x+w9=K2"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwYXBlciJ9.c2lnbmF0dXJlIQ"
PEM = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIAbcdefgh/+x
oAoGCCqGSM49
-----END EC PRIVATE KEY-----
"""

# No quotes, blanks or `*`: those take part in the way values are written, or in the mask.
secret_texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="*"),
    min_size=6,
    max_size=40,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET /api/v3/order?symbol=X&signature=ab12&recvWindow=5", None),
        ("https://h/x?signature=ab12", "https://h/x?signature=***"),
        ("https://h/x?apiKey=ab12&side=BUY", "https://h/x?apiKey=***&side=BUY"),
        ("https://h/x?access_token=ab12#part", "https://h/x?access_token=***"),
        ("next=https%3A%2F%2Fh%3Ftoken%3Dab12", "next=https%3A%2F%2Fh%3Ftoken%3D***"),
        ("EXCHANGE_API_SECRET=ab12 reconciler run", "EXCHANGE_API_SECRET=*** reconciler run"),
        ("connect(password='ab12', port=5)", "connect(password='***', port=5)"),
        ("Authorization: Bearer ab12", "Authorization: Bearer ***"),
        ("authorization: Basic ab12", "authorization: Basic ***"),
        ("X-MBX-APIKEY: ab12", "X-MBX-APIKEY: ***"),
        ("OK-ACCESS-PASSPHRASE: ab12", "OK-ACCESS-PASSPHRASE: ***"),
        ("API-Sign: ab12", "API-Sign: ***"),
        ("sent bearer ab12ab12ab12", "sent bearer ***"),
        ('{"apiKey": "ab12", "side": "BUY"}', '{"apiKey": "***", "side": "BUY"}'),
        (r"{\"api_secret\":\"ab12\",\"a\":1}", r"{\"api_secret\":\"***\",\"a\":1}"),
        ("{'X-MBX-APIKEY': 'ab12'}", "{'X-MBX-APIKEY': '***'}"),
        ("[(b'authorization', b'ab12'), (b'a', b'b')]", None),
        ("postgresql://app:ab12@db:5432/orders", "postgresql://app:***@db:5432/orders"),
        ("postgresql+psycopg://app:p@ss/ab12@db/x", "postgresql+psycopg://app:***@db/x"),
        ("redis://:ab12@cache", "redis://:***@cache"),
        pytest.param(f"it is {JWT}.", "it is ***.", id="JWT"),
        pytest.param(f"cut off: {JWT[:30]}", "cut off: ***", id="JWT cut off"),
        pytest.param(PEM, None, id="PEM"),
        pytest.param(json.dumps({"key": PEM}), '{"key": "***"}', id="PEM in JSON"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, expected: str | None) -> None:
    redacted = redact(text)

    assert MASK in redacted
    assert "ab12" not in redacted
    assert "MHcCAQ" not in redacted
    if expected is not None:
        assert redacted == expected


@pytest.mark.parametrize(
    "text",
    [
        "GET https://api.example/api/v3/order?symbol=BTCUSDT&orderId=12 HTTP/1.1",
        "http://127.0.0.1:8080/orders",
        "postgresql://app@db:5432/orders",
        "EXCHANGE_API_SECRET is not set: export it",
        "a designed signal: 3 passes, the key thing",
        '{"status": "FILLED", "executedQty": "1.5"}',
    ],
)
def test_everything_else_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_a_secret_with_both_quotes_is_masked_where_a_repr_escapes_one() -> None:
    secret = "ab'cd\"ef"

    redacted = Redactor([SecretStr(secret)])(f"{secret!r} and {[repr(secret)]!r}")

    assert "cd" not in redacted


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        quote(SECRET, safe="").lower().replace("q7zp", "q7Zp").replace("k2", "K2"),
        json.dumps(SECRET),
        repr(SECRET),
        str(SECRET.encode()),
        f"x{SECRET}y{SECRET}",
    ],
)
def test_a_registered_secret_is_masked_however_it_is_written(written: str) -> None:
    redacted = Redactor([SecretStr(SECRET)])(f"before {written} after")

    assert "q7Zp" not in redacted
    assert "K2" not in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")


@settings(deadline=None)
@given(secret=secret_texts, around=st.text(max_size=20))
def test_a_registered_secret_never_survives(secret: str, around: str) -> None:
    redactor = Redactor([SecretStr(secret)])
    escaped = json.dumps(secret)[1:-1]

    for written in (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        escaped,
        json.dumps(escaped)[1:-1],
        repr(secret)[1:-1],
    ):
        assert written not in redactor(f"{around}|{written}|{around}")


def test_each_line_of_a_key_of_several_lines_is_masked_where_lines_are_indented() -> None:
    redactor = Redactor([SecretStr("first+line\nsecond+line\n")])

    assert redactor("  | first+line\n  | second+line\n") == "  | ***\n  | ***\n"


def test_of_a_registered_address_only_the_password_is_masked() -> None:
    redactor = Redactor([SecretStr("postgresql://app:pw%2F12@db/orders")])

    assert redactor("db of app refuses pw/12, given as pw%2F12") == (
        "db of app refuses ***, given as ***"
    )


def test_a_password_that_is_the_users_name_does_not_blank_that_word_everywhere() -> None:
    redactor = Redactor([SecretStr("postgresql://postgres:postgres@db/postgres")])

    assert redactor("role postgres is missing") == "role postgres is missing"
    assert redactor("postgresql://postgres:postgres@db/x") == "postgresql://postgres:***@db/x"


def test_a_longer_secret_is_masked_before_one_that_it_begins_with() -> None:
    redactor = Redactor([SecretStr("abcd"), SecretStr("abcdefgh")])

    assert redactor("abcdefgh") == MASK


def test_values_too_short_to_be_looked_for_leave_the_text_readable() -> None:
    assert Redactor([SecretStr(""), SecretStr("a")])("a cat") == "a cat"


def test_registered_secrets_are_known_to_redact_until_others_are() -> None:
    register_secrets([SecretStr(SECRET)])
    masked = redact(SECRET)

    register_secrets([])

    assert masked == MASK
    assert redact(SECRET) == SECRET


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "apiKey",
        "X-MBX-APIKEY",
        "EXCHANGE_API_SECRET",
        "db_password",
        "passphrase",
        "TEST_JWT",
        "Authorization",
        "OK-ACCESS-SIGN",
        "sign",
        "listenKey",
        "credentials",
    ],
)
def test_secret_names_are_recognised(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["symbol", "signal", "assigned", "key", "passed", "order_id", 7])
def test_other_names_are_not(name: object) -> None:
    assert not is_secret_name(name)


def test_values_under_secret_names_are_masked_at_any_depth() -> None:
    value = {"a": [{"token": "t", "b": ({"api_key": 5},)}], "secret": {"c": "d"}}

    assert mask_named(value) == {"a": [{"token": MASK, "b": [{"api_key": MASK}]}], "secret": MASK}
