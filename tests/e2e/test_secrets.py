import pytest

from reconciler.demo import Demo

from .conftest import KEY, SECRET, Start

PASSWORD = "password-of-the-tests"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ0ZXN0cyJ9.c2lnbmF0dXJlLW9mLXRoZS10ZXN0cw"


@pytest.mark.parametrize(
    ("faults", "environment"),
    [
        pytest.param({}, {}, id="all well"),
        pytest.param({"error_rate": 0.5, "disconnect_rate": 0.3}, {}, id="a bad exchange"),
        pytest.param({}, {"EXCHANGE_API_SECRET": f"{SECRET}-wrong"}, id="a wrong secret"),
        pytest.param(
            {}, {"EXCHANGE_BASE_URL": f"http://{KEY}:{SECRET}@127.0.0.1:9"}, id="an exchange away"
        ),
        pytest.param(
            {},
            {"DATABASE_URL": f"postgresql://somebody:{PASSWORD}@127.0.0.1:9/nothing"},
            id="a database away",
        ),
    ],
)
def test_no_secret_is_ever_shown_however_much_is_logged(
    demo: Demo, reconcile: Start, faults: dict[str, float], environment: dict[str, str]
) -> None:
    demo.fill(orders=100, symbols=4, seed=12)
    demo.exchange.set_faults(**faults)
    url = demo.database_url.replace("//postgres:@", f"//postgres:{PASSWORD}@")
    assert PASSWORD in url

    given = {"DATABASE_URL": url, "TEST_JWT": JWT, "LOG_LEVEL": "DEBUG"} | environment
    ended = reconcile("--once", "--json", **given).end()

    output = ended.out + ended.err
    assert "supervisor" in output or ended.exit_code == 69
    assert [
        secret for secret in (KEY, SECRET, PASSWORD, JWT, "signature=") if secret in output
    ] == []
