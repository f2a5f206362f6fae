from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from reconciler.paper.auth import AccessPolicy
from reconciler.paper.dialects.binance.access import (
    RequestCredentials,
    authenticate,
    check_timestamp,
    sign,
)
from reconciler.paper.dialects.binance.answers import ApiError
from reconciler.paper.dialects.binance.parameters import QueryParameters
from reconciler.paper.tokens import mint

NOW_MS = 1_795_478_400_000
KEY = "the key"
SECRET = "the secret of the key"
JWT_SECRET = "the secret of the tokens, at least 32 bytes"
SIGNED = AccessPolicy(api_key=KEY, api_secret=SECRET)
EITHER = AccessPolicy(api_key=KEY, api_secret=SECRET, jwt_secret=JWT_SECRET)


def signed(query: str, secret: str = SECRET) -> str:
    return f"{query}&signature={sign(secret, query)}"


def judge(
    access: AccessPolicy, query: str, *, api_key: str | None = KEY, token: str | None = None
) -> tuple[int, int] | None:
    """Return code and HTTP status of the refusal, or None where the request passes."""
    authorization = None if token is None else f"Bearer {token}"
    credentials = RequestCredentials.read(api_key=api_key, authorization=authorization, query=query)
    try:
        authenticate(access, credentials, QueryParameters(query), NOW_MS)
    except ApiError as refusal:
        return refusal.code, refusal.http_status
    return None


def a_token(secret: str = JWT_SECRET) -> str:
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    return mint(secret, subject="demo", now=now, lifetime=timedelta(hours=1))


def test_signature_equals_the_one_of_the_published_example() -> None:
    # Key, query and signature: Binance Spot API documentation, "SIGNED Endpoint Examples",
    # read 2026-11-24.
    query = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
    )
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"

    assert sign(secret, query) == (
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )


@pytest.mark.parametrize(
    ("query", "api_key", "refused"),
    [
        (signed(f"symbol=A&timestamp={NOW_MS}"), KEY, None),
        (signed(f"symbol=A&timestamp={NOW_MS}").replace("symbol=A", "symbol=B"), KEY, (-1022, 400)),
        (signed(f"timestamp={NOW_MS}", "another secret"), KEY, (-1022, 400)),
        (signed(f"timestamp={NOW_MS}"), "THE KEY", (-2015, 401)),
        (signed(f"timestamp={NOW_MS}"), None, (-2014, 401)),
        (f"timestamp={NOW_MS}", KEY, (-1102, 400)),
        (signed("symbol=A"), KEY, (-1102, 400)),
        (signed(f"timestamp={NOW_MS + 1000}"), KEY, (-1021, 400)),
        (signed(f"timestamp={NOW_MS - 5001}"), KEY, (-1021, 400)),
    ],
    ids=[
        "good",
        "altered",
        "other secret",
        "other key",
        "no key",
        "no signature",
        "no timestamp",
        "ahead",
        "late",
    ],
)
def test_signed_request_is_checked_as_binance_does(
    query: str, api_key: str | None, refused: tuple[int, int] | None
) -> None:
    assert judge(SIGNED, query, api_key=api_key) == refused


def test_signature_may_be_upper_case_and_at_any_position() -> None:
    query = f"symbol=A&timestamp={NOW_MS}"
    signature = sign(SECRET, query).upper()

    assert judge(SIGNED, f"signature={signature}&{query}") is None


def test_signature_covers_the_query_as_it_was_sent() -> None:
    sent = urlencode({"origClientOrderId": "a b", "timestamp": NOW_MS})
    unencoded = f"origClientOrderId=a b&timestamp={NOW_MS}"

    assert judge(SIGNED, signed(sent)) is None
    assert judge(SIGNED, f"{sent}&signature={sign(SECRET, unencoded)}") == (-1022, 400)


@pytest.mark.parametrize(
    ("api_key", "token", "refused"),
    [
        (KEY, None, None),
        (None, a_token(), None),
        (KEY, a_token("forged with another secret of 32 bytes"), None),
        ("another key", a_token(), None),
        (None, a_token("forged with another secret of 32 bytes"), (-2015, 401)),
        (None, None, (-2014, 401)),
    ],
    ids=["key", "token", "key beats bad token", "token beats bad key", "bad token", "nothing"],
)
def test_either_credential_suffices_if_both_are_configured(
    api_key: str | None, token: str | None, refused: tuple[int, int] | None
) -> None:
    query = signed(f"timestamp={NOW_MS}")

    assert judge(EITHER, query, api_key=api_key, token=token) == refused


def test_no_credentials_are_needed_if_none_are_configured() -> None:
    assert judge(AccessPolicy(), "symbol=A", api_key=None) is None


def test_sent_timestamp_is_checked_even_without_credentials() -> None:
    assert judge(AccessPolicy(), f"timestamp={NOW_MS + 1000}", api_key=None) == (-1021, 400)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"timestamp={NOW_MS + 999}", None),
        (f"timestamp={NOW_MS - 5000}", None),
        (f"timestamp={NOW_MS - 60_000}&recvWindow=60000", None),
        (f"timestamp={NOW_MS - 2}&recvWindow=1.5", -1021),
        (f"timestamp={NOW_MS}&recvWindow=60001", -1131),
        ("timestamp=soon", -1100),
    ],
)
def test_recv_window_is_exact_to_the_millisecond(query: str, code: int | None) -> None:
    if code is None:
        check_timestamp(QueryParameters(query), NOW_MS)
        return
    with pytest.raises(ApiError) as caught:
        check_timestamp(QueryParameters(query), NOW_MS)
    assert caught.value.code == code


def test_api_key_without_its_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="give both"):
        AccessPolicy(api_key=KEY)


def test_no_repr_of_credentials_shows_a_secret() -> None:
    credentials = RequestCredentials.read(
        api_key=KEY, authorization="Bearer t0ken", query="signature=abc"
    )

    shown = repr(EITHER) + repr(credentials)

    assert not any(secret in shown for secret in (KEY, SECRET, JWT_SECRET, "t0ken", "abc"))
