"""The token of a request: a web token that names its method, host and path.

Source: coinbase-advanced-py 1.8.4, jwt_generator.py, read 2026-11-28.
"""

import secrets
from datetime import datetime
from urllib.parse import urlsplit

from reconciler.exchanges.coinbase.constants import ISSUER, TOKEN_BEGINS_BEFORE, TOKEN_LIFE
from reconciler.exchanges.signing import SigningKey
from reconciler.exchanges.web_token import web_token


def request_token(
    key: SigningKey,
    *,
    api_key: str,
    method: str,
    url: str,
    server_time: datetime,
    nonce: str | None = None,
) -> str:
    """Return the bearer token for one request to `url`; its query is not signed.

    `server_time` is now, by the exchange's clock. `nonce` is random unless it is given.
    """
    parts = urlsplit(url)
    begins = server_time - TOKEN_BEGINS_BEFORE
    return web_token(
        key,
        claims={
            "sub": api_key,
            "iss": ISSUER,
            "nbf": int(begins.timestamp()),
            "exp": int((begins + TOKEN_LIFE).timestamp()),
            "uri": f"{method} {parts.netloc}{parts.path}",
        },
        header={"kid": api_key, "nonce": nonce or secrets.token_hex()},
    )
