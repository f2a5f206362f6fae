import asyncio
import logging
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import certifi
import pytest
from pydantic import SecretStr

from reconciler import __version__
from reconciler.errors import ConfigurationError
from reconciler.exchanges.base import Exchange, OrderRef, Venue
from reconciler.exchanges.registry import NAMES, open_exchange, venue
from reconciler.exchanges.tls import trusted_authorities
from reconciler.paper.dialects import NAMES as DIALECTS
from reconciler.paper.dialects import load_dialect
from reconciler.settings import Credentials
from tests.exchanges.fakes import DirectSender, UnlimitedBudget

T = TypeVar("T")

KEY = SecretStr("made-up-key")
SECRET = SecretStr("made-up-secret")
SIGNED = Credentials(api_key=KEY, api_secret=SECRET)


def opened(at: Venue, credentials: Credentials) -> Exchange:
    return open_exchange(
        at,
        credentials=credentials,
        sender=DirectSender(),
        budget=UnlimitedBudget(),
        clock=lambda: datetime(2026, 11, 24, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("name", "base_url", "address"),
    [
        ("paper", None, "http://127.0.0.1:8900"),
        ("paper", "http://127.0.0.1:9999", "http://127.0.0.1:9999"),
        ("binance", None, "https://api.binance.com"),
        ("binance", "https://testnet.binance.vision", "https://testnet.binance.vision"),
    ],
)
def test_exchange_has_its_own_address_unless_another_is_given(
    name: str, base_url: str | None, address: str
) -> None:
    found = venue(name, base_url)

    assert (found.name, found.base_url) == (name, address)
    (limit,) = found.limits
    assert (limit.amount, limit.per_minute, found.chunk_size) == (6000, 6000, 1000)


@pytest.mark.parametrize("name", NAMES)
def test_password_in_an_address_is_sent_and_not_shown(name: str) -> None:
    found = venue(name, "https://joe:hunter2@gateway.example/api")

    assert found.base_url == "https://joe:hunter2@gateway.example/api"
    assert found.address == "https://joe:***@gateway.example/api"
    assert venue(name).address == venue(name).base_url


@pytest.mark.parametrize("name", ["kucoin", "ccxt:", "ccxt", "other:gate", "", "bnance", "Binance"])
def test_exchange_without_adapter_is_refused_with_the_names(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        venue(name)

    (problem,) = caught.value.problems
    assert repr(name) in problem.what
    assert all(known in problem.hint for known in NAMES)


def key_as_issued_by(name: str) -> Credentials:
    key = load_dialect(name if name in DIALECTS else "binance").new_key()
    return Credentials(
        api_key=SecretStr(key.api_key),
        api_secret=SecretStr(key.api_secret),
        passphrase=None if key.passphrase is None else SecretStr(key.passphrase),
    )


@pytest.mark.parametrize("name", NAMES)
async def test_every_registered_exchange_can_be_opened(name: str) -> None:
    exchange = opened(venue(name), key_as_issued_by(name))

    assert exchange.venue.name == name
    await exchange.close()


@pytest.mark.parametrize(
    ("name", "credentials", "missing"),
    [
        ("binance", Credentials(), {"EXCHANGE_API_KEY", "EXCHANGE_API_SECRET"}),
        ("binance", Credentials(api_key=KEY), {"EXCHANGE_API_SECRET"}),
        ("paper", Credentials(api_secret=SECRET), {"EXCHANGE_API_KEY"}),
        (
            "binance",
            Credentials(bearer_token=SecretStr("a.b.c")),
            {"EXCHANGE_API_KEY", "EXCHANGE_API_SECRET"},
        ),
    ],
)
def test_every_missing_credential_is_named_at_once(
    name: str, credentials: Credentials, missing: set[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(venue(name), credentials)

    assert {problem.what.split()[0] for problem in caught.value.problems} == missing


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:8900", "https://gateway.example"])
async def test_compatible_server_may_do_without_a_key(base_url: str) -> None:
    exchange = opened(venue("binance", base_url), Credentials(bearer_token=SecretStr("a.b.c")))

    await exchange.close()


@pytest.mark.parametrize("value", ["key with blank", "line\nbreak", "schl\u00fcssel"])
def test_secret_that_no_header_can_carry_is_named_and_not_shown(value: str) -> None:
    credentials = Credentials(
        api_key=SecretStr(value), api_secret=SECRET, bearer_token=SecretStr(value)
    )

    with pytest.raises(ConfigurationError) as caught:
        opened(venue("paper"), credentials)

    assert {p.what.split()[0] for p in caught.value.problems} == {"EXCHANGE_API_KEY", "TEST_JWT"}
    assert value not in str(caught.value)


async def test_local_request_skips_the_proxy_and_hides_its_signature(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    caplog.set_level(logging.DEBUG)
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        now = datetime(2026, 11, 24, tzinfo=UTC)
        body = b'{"serverTime": %d, "code": -2013}' % (now.timestamp() * 1000)
        status = "200 OK" if "/time" in heads[-1] else "400 Bad Request"
        head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        exchange = opened(venue("paper", f"http://127.0.0.1:{port}"), SIGNED)
        found = await exchange.fetch([OrderRef(symbol="BTCUSDT", external_order_id="7")])
        await exchange.close()

    assert len(found.answers) == 1
    assert f"order-reconciler/{__version__}" in heads[-1]
    signature = heads[-1].partition("signature=")[2].partition(" ")[0]
    assert len(signature) == 64
    assert signature not in caplog.text
    assert "made-up-key" not in caplog.text


def test_paper_exchange_has_the_facts_of_binance() -> None:
    assert replace(venue("paper"), name="binance", base_url="") == replace(
        venue("binance"), base_url=""
    )


def test_unreadable_certificates_name_their_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/certificates.pem")

    with pytest.raises(ConfigurationError) as caught:
        opened(venue("binance"), SIGNED)

    assert "SSL_CERT_FILE" in str(caught.value)
    assert "No such file" in str(caught.value)


def test_certificates_are_loaded_again_if_the_file_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "certificates.pem"
    shutil.copy(certifi.where(), file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    first, again = trusted_authorities(), trusted_authorities()
    pem = certifi.contents().partition("-----BEGIN")[2].partition("-----END")[0]
    file.write_text(f"-----BEGIN{pem}-----END CERTIFICATE-----\n")

    fresh = trusted_authorities()

    assert first is again
    assert len(first.get_ca_certs()) > len(fresh.get_ca_certs()) == 1
