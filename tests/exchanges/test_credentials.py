from dataclasses import replace

import pytest
from pydantic import SecretStr

from reconciler.exchanges.base import Venue
from reconciler.exchanges.credentials import credential_problems, unused_passphrase, usable_by
from reconciler.exchanges.registry import venue
from reconciler.settings import Credentials

KEY_AND_SECRET = Credentials(api_key=SecretStr("key"), api_secret=SecretStr("secret"))
WITH_PASSPHRASE = replace(KEY_AND_SECRET, passphrase=SecretStr("correct horse"))


def a_venue(*, needs_passphrase: bool) -> Venue:
    return replace(venue("binance"), needs_passphrase=needs_passphrase)


@pytest.mark.parametrize(
    ("needs_passphrase", "expected"),
    [(True, WITH_PASSPHRASE), (False, KEY_AND_SECRET)],
    ids=["needed", "not needed"],
)
def test_only_a_venue_that_needs_a_passphrase_gets_one(
    expected: Credentials, *, needs_passphrase: bool
) -> None:
    credentials = usable_by(a_venue(needs_passphrase=needs_passphrase), WITH_PASSPHRASE)

    assert credentials == expected


def test_missing_passphrase_is_a_problem_where_it_is_needed() -> None:
    needing = a_venue(needs_passphrase=True)

    (problem,) = credential_problems(needing, KEY_AND_SECRET, own_url=needing.base_url)

    assert problem.what == "EXCHANGE_API_PASSPHRASE is not set, and binance signs with one"
    assert credential_problems(needing, WITH_PASSPHRASE, own_url=needing.base_url) == []


def test_unused_passphrase_is_remarked_on_and_no_problem() -> None:
    plain = a_venue(needs_passphrase=False)

    remark = unused_passphrase(plain, WITH_PASSPHRASE)

    assert remark is not None
    assert "horse" not in str(remark)
    assert credential_problems(plain, WITH_PASSPHRASE, own_url=plain.base_url) == []
    assert unused_passphrase(plain, KEY_AND_SECRET) is None
    assert unused_passphrase(a_venue(needs_passphrase=True), WITH_PASSPHRASE) is None
