"""The account of a paper exchange does not depend on its address."""

import httpx
import pytest

from reconciler.paper.exchange import ACCOUNT_UID
from reconciler.paper.process import PaperProcess


def account_at(paper: PaperProcess) -> int:
    account: int = httpx.get(f"{paper.url}/api/v3/account", trust_env=False).json()["uid"]
    return account


def test_two_paper_exchanges_at_two_ports_are_the_same_account() -> None:
    with PaperProcess() as one, PaperProcess() as other:
        assert one.url != other.url
        assert account_at(one) == account_at(other) == ACCOUNT_UID


@pytest.mark.parametrize("account", [1, 4711, 2**53])
def test_account_option_survives_clearing_the_faults(account: int) -> None:
    with PaperProcess(options=("--account-id", str(account))) as paper:
        paper.clear_faults()

        assert account_at(paper) == account
