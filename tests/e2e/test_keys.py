"""A whole run with a key pair, and with every secret in a file."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from reconciler.demo import Demo
from reconciler.paper.process import PaperProcess
from reconciler.store.database import Database

from .conftest import AMPLE, KEY, Start

KEYS: dict[str, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_run_signs_with_a_private_key_from_a_file(
    kind: str, database: Database, database_url: str, tmp_path: Path, start: Start
) -> None:
    private, public, key, url = (
        tmp_path / name for name in ("private.pem", "public.pem", "key", "url")
    )
    private.write_bytes(KEYS[kind].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        KEYS[kind].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    key.write_text(f"{KEY}\n")
    url.write_text(f"{database_url}\n")
    with PaperProcess(api_key=KEY, options=[*AMPLE, "--public-key-file", str(public)]) as exchange:
        demo = Demo(
            database=database,
            database_url=database_url,
            exchange=exchange,
            api_key=SecretStr(KEY),
            api_secret=SecretStr(""),
        )
        demo.fill(orders=60, symbols=3, seed=4)

        ended = start(
            "run",
            "--once",
            "--json",
            "--shards",
            "2",
            DATABASE_URL_FILE=url,
            EXCHANGE_NAME="paper",
            EXCHANGE_BASE_URL=exchange.url,
            EXCHANGE_API_KEY_FILE=key,
            EXCHANGE_API_SECRET_FILE=private,
            LOG_FORMAT="json",
        ).end()

        assert ended.exit_code == 0, ended.err
        assert ended.report["reconciled"] == 60
        assert demo.mismatches() == []
