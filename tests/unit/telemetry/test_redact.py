import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from reconciler.telemetry.redact import (
    MASK,
    SECRET_NAMES,
    Redactor,
    SecretName,
    _passes_luhn,
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
def test_text_that_looks_like_a_secret_is_masked(text: str, expected: str | None) -> None:
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
def test_text_without_any_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("login failed, password: hunter2xyz", "login failed, password: ***"),
        ("password:hunter2xyz", "password:***"),
        ("the password is hunter2xyz.", "the password is ***."),
        ("his password was hunter2xyz", "his password was ***"),
        ("password is: hunter2xyz", "password is: ***"),
        ("password => hunter2xyz", "password => ***"),
        ("password -> hunter2xyz", "password -> ***"),
        ("password := hunter2xyz", "password := ***"),
        ("password = hunter2xyz", "password = ***"),
        ('"password": "hunter2xyz"', '"password": "***"'),
        ('"password" => "hunter2xyz"', '"password" => "***"'),
        ("password: 'hunter2xyz and more'", "password: '***'"),
        ('password is "hunter2xyz and more"', 'password is "***"'),
        ("password: set-hunter2xyz", "password: ***"),
        ("password: hunter2xyz!", "password: ***"),
        ("(password: hunter2xyz)", "(password: ***)"),
        ("{password: hunter2xyz, user: ada}", "{password: ***, user: ada}"),
        ("password=hun,hunter2xyz", "password=***"),
        ("password%3Dhunter2xyz%26side%3DBUY", "password%3D***%26side%3DBUY"),
        ("password%3A%20hunter2xyz", "password%3A%20***"),
        ("%7B%22password%22%3A%22hunter2xyz%22%7D", "%7B%22password%22%3A%22***%22%7D"),
        ("api key: hunter2xyz", "api key: ***"),
        ("aws_secret_access_key = hunter2xyz", "aws_secret_access_key = ***"),
        ("AccountKey=hunter2xyz;EndpointSuffix=x", None),
        ("passcode: hunter2xyz", "passcode: ***"),
        ("reconciler run --api-secret hunter2xyz --once", None),
        ("<db:password>hunter2xyz</db:password>", "<db:password>***</db:password>"),
        ("DB_PASSWORD: hunter2xyz", "DB_PASSWORD: ***"),
        ("Password: hunter2xyz", "Password: ***"),
        ("session token is hunter2xyz", "session token is ***"),
        ("login with password hunter2xyz failed", "login with password *** failed"),
        ("bad password 'hunter2xyz'", "bad password '***'"),
        ("tried (passwd hunter2xyz)", "tried (passwd ***)"),
        ("api-key hunter2xyz", "api-key ***"),
        ("password set to hunter2xyz", "password set to ***"),
        ("the password was changed to hunter2xyz", "the password was changed to ***"),
        ("db_pass=hunter2xyz", "db_pass=***"),
        ("pass: hunter2xyz", "pass: ***"),
        ("user=ada pw=hunter2xyz", "user=ada pw=***"),
        ("{'pass': 'hunter2xyz'}", "{'pass': '***'}"),
        ("expiry 12/29 cvv 999", "expiry 12/29 cvv ***"),
    ],
)
def test_named_secret_is_masked_whatever_separates_the_two(text: str, expected: str | None) -> None:
    redacted = redact(text)

    assert MASK in redacted
    assert "hunter2xyz" not in redacted
    if expected is not None:
        assert redacted == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer hunter2xyz", "Authorization: Bearer ***"),
        ("Proxy-Authorization: Basic hunter2xyz==", "Proxy-Authorization: Basic ***"),
        ("Authorization: hunter2xyz", "Authorization: ***"),
        ("Authorization: Custom hunter2xyz", "Authorization: ***"),
        ("Authorization: ApiKey hunter2xyz", "Authorization: ApiKey ***"),
        ('Authorization: Digest username="ada", response="hunter2xyz"', None),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE, Signature=hunter2xyz",
            "Authorization: AWS4-HMAC-SHA256 ***",
        ),
        ("{'Authorization': 'Token hunter2xyz'}", "{'Authorization': '***'}"),
        ("Authorization%3A%20Bearer%20hunter2xyz", None),
    ],
)
def test_an_authorization_of_any_scheme_is_masked(text: str, expected: str | None) -> None:
    redacted = redact(text)

    assert "hunter2xyz" not in redacted
    assert "AKIA" not in redacted
    if expected is not None:
        assert redacted == expected


ISSUED = {
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "AWS for a session": "ASIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "GitHub, fine-grained": "github_pat_" + "11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ",
    "GitLab": "glpat-" + "abcdefghij0123456789",
    "Slack": "xoxb-" + "2222222222-3333333333-AbCdEfGhIjKl",
    "Google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "Stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "Stripe for tests": "rk_test_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "OpenAI": "sk-" + "proj-abcdefghijklmnopqrstuvwx",
    "npm": "npm_" + "abcdefghijklmnopqrstuvwxyz0123456789",
    "Vault": "hvs." + "CAESIJlU02LQZq1aBcDeFgHiJkLmNo",
    "JWT": JWT,
}


@pytest.mark.parametrize("key", ISSUED.values(), ids=ISSUED.keys())
@pytest.mark.parametrize("around", ["{}", "it is {}, there", "x={}&y=1", '{{"a":"{}"}}', "/{}/"])
def test_a_key_that_shows_its_issuer_is_masked_without_a_name(key: str, around: str) -> None:
    assert redact(around.format(key)) == around.format(MASK)


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN {0}PRIVATE KEY-----\nMHcCAQ\n-----END {0}PRIVATE KEY-----",
        "-----BEGIN {0}PRIVATE KEY-----\nProc-Type: 4,X\n\nMHcCAQ\n-----END {0}PRIVATE KEY-----",
        "-----BEGIN {0}PRIVATE KEY-----\\nMHcCAQ\\n-----END {0}PRIVATE KEY-----",
        "-----BEGIN {0}PRIVATE KEY-----%0AMHcCAQ%0A-----END {0}PRIVATE KEY-----",
        "-----BEGIN {0}PRIVATE KEY-----\nMHcCAQ",
    ],
    ids=["plain", "encrypted", "escaped", "in an address", "cut off"],
)
@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "])
def test_a_private_key_is_masked_to_its_end(key: str, kind: str) -> None:
    assert redact(f"read {key.format(kind)}") == "read ***"


CARDS = {
    "Visa": "4111111111111111",
    "Mastercard": "5555555555554444",
    "Mastercard of 2017": "2223003122003222",
    "Discover": "6011111111111117",
    "JCB": "3530111333300000",
    "UnionPay": "6200000000000005",
    "American Express": "378282246310005",
    "Diners Club": "30569309025904",
}


def in_groups(card: str, separator: str) -> str:
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[len(card)]
    ends = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    return separator.join(card[begin:end] for begin, end in pairwise(ends))


@pytest.mark.parametrize("separator", ["", " ", "-", ".", "%20", "+", "\u00a0"])
@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS.keys())
def test_a_cards_number_is_masked_with_and_without_groups(card: str, separator: str) -> None:
    written = in_groups(card, separator)

    assert redact(f"paid with {written}, thanks") == "paid with ***, thanks"
    assert redact(f'{{"note":"{written}"}}') == '{"note":"***"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card_number=1234567890123", "card_number=***"),
        ("card_number=4111 1111 1111 1111", "card_number=***"),
        ("card number: 1234 5678 9012 3456", "card number: ***"),
        ('"cardNumber": "1234567890123"', '"cardNumber": "***"'),
        ("card-no=12345678", "card-no=***"),
        ("cvv=123", "cvv=***"),
        ("CVC: 1234", "CVC: ***"),
        ("cvv is 123", "cvv is ***"),
        ("card_cvv2=123", "card_cvv2=***"),
        ('{"cvv": 123, "a": 1}', '{"cvv": ***, "a": 1}'),
        ("security code: 123", "security code: ***"),
    ],
)
def test_values_that_belong_to_a_card_are_masked_by_name(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111111 of BTCUSDT is on hold",
        "orderId=4111111111111111&symbol=BTCUSDT",
        '{"external_order_id": "4111111111111111"}',
        "external_order_id='4111111111111111'",
        '{"order_ids": ["4111111111111111", "5555555555554444"]}',
        "Wanted(symbol='X', external_order_id='4111111111111111')",
        "order 4111111111111112 has another last digit",
        "4111111111111112",
        "9007207307929590",
        "312269865356374016",
        "1523347543495541248",
        '{"timestamp": 1795810385141, "at_us": 1795810385141000}',
        "0.4111111111111111",
        "4111111111111111.5",
        "41111111111111110",
        "x-R4BD3S824111111111111111",
        "4111-1111-1111-1111-1111-1111",
        "a1b2c3d4-4111-1111-1111-111111111111",
        "2026-11-27 20:22:33.123456",
    ],
)
def test_numbers_named_as_ids_and_non_card_numbers_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "EXCHANGE_API_SECRET: input should be a text",
        "JWT refused: no token: send it as a header",
        "JWT refused: the token is not valid before 2026-11-27T00:00:00Z",
        "the token expired at 2026-11-27T00:00:00Z: send a fresh one",
        "the token is no JWT: its payload is no JSON object",
        "code -2015: Invalid API-key, IP, or permissions for action.",
        "code -1022: Signature for this request is not valid.",
        "hint: check EXCHANGE_API_KEY and EXCHANGE_API_SECRET: the key must exist, may read",
        "def sign(secret: str, query: str | None) -> str:",
        "def opened(api_key: SecretStr, password: Optional[str] = None):",
        "if signature == expected:",
        "password is required",
        "password is wrong, try again",
        "password authentication failed for user ada7",
        "the secret of ada7, the token 17, an api key 2026-11-27T00:00:00Z old",
        "the secret Ed25519 key, a signature HMAC-SHA256 of it",
        "the credentials are those of account 77abcde, signed with hmac sha256",
        "auth is off; credentials: see EXCHANGE_API_KEY",
        "X-Auth-Timestamp: 1795810385141, X-Auth-Version: v2",
        "the first pass: 3 of 4 bypass=no, compass: north, upwards",
        "secrets v2 and tokens 1a",
        "primary key: id",
        "the first passes, the card game, a security update",
        '{"event":"worker.started","shard":3,"pid":12,"key":"BTCUSDT"}',
        "ghp_short and sk-1 and AKIA",
        "an asiapacificdatacenter",
    ],
)
def test_sentences_about_secrets_stay_readable(text: str) -> None:
    assert redact(text) == text


@given(
    name=st.sampled_from(
        ["password", "db_passwd", "api_key", "apiSecret", "access token", "passphrase", "cvv"]
    ),
    between=st.sampled_from([": ", ":", "=", " = ", " is ", " => ", "%3D", "%3A%20", '": "']),
    secret=st.from_regex(r"[A-Za-z0-9_~^$*#@!/-]{5,}[0-9][A-Za-z0-9]", fullmatch=True),
    after=st.sampled_from(["", " and more", ", thanks", ")", '"}', "\n"]),
)
def test_named_secret_never_survives_redaction(
    name: str, between: str, secret: str, after: str
) -> None:
    assert secret not in redact(f"saw {name}{between}{secret}{after}")


# What a key, a signature or a nonce looks like: hex, base64 or a word with digits.
opaque_values = st.from_regex(r"[A-Za-z0-9+/]{20,40}[0-9][a-z]={0,2}", fullmatch=True)


@given(
    header=st.sampled_from(
        [
            # Of the five exchanges:
            *("X-MBX-APIKEY", "X-BAPI-API-KEY", "X-BAPI-SIGN", "API-Key", "API-Sign"),
            *("OK-ACCESS-KEY", "OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE", "Authorization"),
            # Of others:
            *("X-Auth", "X-Auth-Signature", "X-GEMINI-APIKEY", "X-GEMINI-SIGNATURE", "bfx-apikey"),
            *("KC-API-KEY", "KC-API-SIGN", "CB-ACCESS-SIGN", "ACCESS-KEY", "ACCESS-SIGN", "SIGN"),
            *("Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "X-Request-Sig", "Set-Cookie"),
        ]
    ),
    scheme=st.sampled_from(["", "BITSTAMP ", "Bearer ", "Kraken ", "HMAC-SHA256 ", "a_b "]),
    written=st.sampled_from(
        [
            *(
                "{name}: {value}",
                "{name}:{value}",
                "{name}: {value}\r\nHost: h",
                "b'{name}: {value}'",
            ),
            *(
                "{{'{name}': '{value}', 'a': 'b'}}",
                '{{"{name}": "{value}"}}',
                '{{"{name}":"{value}"}}',
            ),
            *("[('{name}', '{value}')]", "[(b'{name}', b'{value}')]", "{name}%3A%20{quoted}"),
            '{{\\"{name}\\":\\"{value}\\"}}',
        ]
    ),
    secret=opaque_values,
)
def test_header_with_a_secret_never_shows_it_whatever_its_scheme(
    header: str, scheme: str, written: str, secret: str
) -> None:
    for name in (header, header.lower()):
        value = scheme + secret
        text = written.format(name=name, value=value, quoted=quote(value, safe=""))
        assert secret not in redact(text), text


@given(
    parameter=st.sampled_from(
        [
            *(
                "signature",
                "sign",
                "apiKey",
                "api_key",
                "access_key",
                "accessKey",
                "api_sig",
                "sig",
            ),
            *(
                "token",
                "listenKey",
                "passphrase",
                "otp",
                "auth",
                "credential",
                "hmac",
                "API_SECRET",
            ),
        ]
    ),
    written=st.sampled_from(
        [
            *("https://h/x?a=b&{name}={value}&c=d", "{name}={value}", "{name} = {value}"),
            *("next=https%3A%2F%2Fh%3F{name}%3D{value}%26a%3Db", "{name}='{value}'"),
            *('{{"{name}": "{value}"}}', "{{'{name}': '{value}'}}", "<{name}>{value}</{name}>"),
        ]
    ),
    secret=opaque_values,
)
def test_parameter_or_field_with_a_secret_never_shows_it(
    parameter: str, written: str, secret: str
) -> None:
    text = written.format(name=parameter, value=secret)
    assert secret not in redact(text), text


@given(
    st.sampled_from(SECRET_NAMES).flatmap(
        lambda known: st.tuples(st.just(known), st.from_regex(known.pattern, fullmatch=True))
    )
)
def test_keyword_stands_in_every_name_that_it_is_to_find(known: tuple[SecretName, str]) -> None:
    secret_name, written = known

    assert secret_name.keyword in written.lower()
    assert is_secret_name(written)


@given(
    digits=st.lists(st.integers(0, 9), min_size=14, max_size=14),
    brand=st.sampled_from(["4", "51", "55", "2221", "2720", "6011", "65", "3530", "62"]),
    separator=st.sampled_from(["", " ", "-"]),
)
def test_card_number_never_survives_redaction(
    digits: list[int], brand: str, separator: str
) -> None:
    begun = (brand + "".join(map(str, digits)))[:15]
    card = next(
        begun + last for last in "0123456789" if _passes_luhn([int(d) for d in begun + last])
    )

    assert redact(f"paid with {in_groups(card, separator)}.") == "paid with ***."


@given(order_id=st.integers(1, 10**19))
def test_id_that_is_named_as_one_is_not_masked(order_id: int) -> None:
    for text in (
        f"order {order_id} is on hold",
        f"GET /api/v3/order?symbol=BTCUSDT&orderId={order_id}&recvWindow=5000",
        json.dumps({"event": "order.held", "external_order_id": str(order_id), "order_id": 7}),
        f"external_order_id={order_id!r} symbol='BTCUSDT'",
    ):
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


@given(secret=secret_texts, around=st.text(max_size=20))
def test_registered_secret_never_survives_redaction(secret: str, around: str) -> None:
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


def test_every_line_of_an_indented_key_is_masked() -> None:
    redactor = Redactor([SecretStr("first+line\nsecond+line\n")])

    assert redactor("  | first+line\n  | second+line\n") == "  | ***\n  | ***\n"


def test_of_a_registered_address_only_the_password_is_masked() -> None:
    redactor = Redactor([SecretStr("postgresql://app:pw%2F12@db/orders")])

    assert redactor("db of app refuses pw/12, given as pw%2F12") == (
        "db of app refuses ***, given as ***"
    )


def test_password_equal_to_the_user_name_is_not_masked_everywhere() -> None:
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
        "card_number",
        "cardNumber",
        "cvv",
        "card_cvc",
        "passcode",
    ],
)
def test_names_of_secrets_are_recognised_as_such(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["symbol", "signal", "assigned", "key", "passed", "order_id", 7, "discard_no_order", "card"],
)
def test_names_of_other_fields_are_no_secrets(name: object) -> None:
    assert not is_secret_name(name)


def test_values_under_secret_names_are_masked_at_any_depth() -> None:
    value = {"a": [{"token": "t", "b": ({"api_key": 5},)}], "secret": {"c": "d"}}

    assert mask_named(value) == {"a": [{"token": MASK, "b": [{"api_key": MASK}]}], "secret": MASK}
