"""The certificate authorities that we trust to identify an exchange."""

import os
import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from reconciler.errors import ConfigurationError, Problem


def trusted_authorities() -> ssl.SSLContext:
    """Load the trusted certificates: SSL_CERT_FILE, SSL_CERT_DIR, or certifi's list.

    They take 3 MiB, which workers share with the fork server that has loaded them. They are loaded
    again only if the file has changed since. A folder is read whenever it is needed.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    return _load(_fingerprint(os.environ.get("SSL_CERT_FILE")))


def _fingerprint(file: str | None) -> tuple[object, ...]:
    """Return a value that differs if the file does."""
    try:
        stat = None if file is None else Path(file).stat()
    except OSError:
        return (file, None)
    return (file, stat and (stat.st_ino, stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=1)
def _load(_fingerprint: tuple[object, ...]) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        problem = Problem(
            what=f"the certificates in SSL_CERT_FILE cannot be loaded: {error}",
            hint="set SSL_CERT_FILE to a readable file of PEM certificates, or unset it",
        )
        raise ConfigurationError([problem]) from error
