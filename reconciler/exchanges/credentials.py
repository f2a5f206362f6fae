"""Check whether an exchange can use the credentials, before anything is sent."""

from collections.abc import Sequence
from dataclasses import replace

from reconciler.errors import ConfigurationError, Problem
from reconciler.exchanges.base import Venue
from reconciler.exchanges.signing import load_signing_key
from reconciler.settings import Credentials


def credential_problems(venue: Venue, credentials: Credentials, *, own_url: str) -> list[Problem]:
    """Return every problem of the credentials. `own_url` is the address of the exchange itself."""
    return [
        *_unsendable(usable_by(venue, credentials)),
        *_quoted(credentials),
        *_missing(venue, credentials, own_url=own_url),
        *_malformed_api_key(venue, credentials),
        *_unusable_key(venue, credentials),
    ]


def usable_by(venue: Venue, credentials: Credentials) -> Credentials:
    """Return the credentials, without the passphrase if `venue` does not need one."""
    return credentials if venue.needs_passphrase else replace(credentials, passphrase=None)


def unused_passphrase(venue: Venue, credentials: Credentials) -> Problem | None:
    """Return a harmless problem if there is a passphrase and `venue` does not need one."""
    if credentials.passphrase is None or venue.needs_passphrase:
        return None
    return Problem(
        what=f"EXCHANGE_API_PASSPHRASE is set, but {venue.name} takes none: it is not used",
        hint="unset it, or set EXCHANGE_NAME to the exchange that it belongs to",
    )


def _malformed_api_key(venue: Venue, credentials: Credentials) -> Sequence[Problem]:
    form = venue.key_form
    if form.api_key is None or credentials.api_key is None:
        return ()
    if form.api_key.fullmatch(credentials.api_key.get_secret_value()):
        return ()
    return [
        Problem(
            what=f"EXCHANGE_API_KEY does not look like a key of {venue.name}",
            hint=f"set EXCHANGE_API_KEY to the whole key, which looks like {form.api_key_example}",
        )
    ]


def _unusable_key(venue: Venue, credentials: Credentials) -> Sequence[Problem]:
    if credentials.api_secret is None:
        return ()
    try:
        key = load_signing_key(credentials, venue.key_form)
    except ConfigurationError as error:
        return error.problems
    if key.type in venue.key_types:
        return ()
    taken = " or ".join(sorted(venue.key_types))
    return [
        Problem(
            what=f"EXCHANGE_API_SECRET is of the kind {key.type}, and {venue.name} takes {taken}",
            hint=f"set EXCHANGE_API_KEY and EXCHANGE_API_SECRET to a key of {venue.name}",
        )
    ]


def _unsendable(credentials: Credentials) -> list[Problem]:
    """Find secrets that no header can carry, before httpx repeats them in an error's message."""
    headers = {
        "EXCHANGE_API_KEY": (credentials.api_key, _is_token),
        "EXCHANGE_API_PASSPHRASE": (credentials.passphrase, _is_phrase),
        "TEST_JWT": (credentials.bearer_token, _is_token),
    }
    return [
        Problem(
            what=f"{name} holds a blank, a line break or a letter that no header can carry",
            hint=f"set {name} again, without what was copied along with it",
        )
        for name, (secret, is_sendable) in headers.items()
        if secret is not None and not is_sendable(secret.get_secret_value())
    ]


def _quoted(credentials: Credentials) -> list[Problem]:
    """Find keys and secrets within quotation marks: Docker passes a file's lines on as they are.

    A passphrase may have such marks, and a PEM key is found between them.
    """
    values = {
        "EXCHANGE_API_KEY": credentials.api_key,
        "EXCHANGE_API_SECRET": credentials.api_secret,
    }
    return [
        Problem(
            what=f"{name} begins and ends with a quotation mark, which no key does",
            hint=f"set {name} again, without the quotation marks",
        )
        for name, secret in values.items()
        if secret is not None and _is_within_quotes(secret.get_secret_value().strip())
    ]


def _is_within_quotes(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] in {'"', "'"} and "-----" not in value


def _is_token(value: str) -> bool:
    return _is_phrase(value) and " " not in value


def _is_phrase(value: str) -> bool:
    """Return True if a header carries `value` as it is: it may have blanks, but not at an end."""
    return value.isascii() and value.isprintable() and value == value.strip(" ")


def _missing(venue: Venue, credentials: Credentials, *, own_url: str) -> list[Problem]:
    """Find missing settings. The exchange itself needs all; another server may need none."""
    needed = {
        "EXCHANGE_API_KEY": credentials.api_key,
        "EXCHANGE_API_SECRET": credentials.api_secret,
    }
    missing = [name for name, secret in needed.items() if secret is None]
    if len(missing) == len(needed) and venue.base_url != own_url:
        return []
    problems = [
        Problem(
            what=f"{name} is not set, and {venue.name} signs with both a key and its secret",
            hint=f"set {name} to the value that the exchange showed when the key was made",
        )
        for name in missing
    ]
    if venue.needs_passphrase and credentials.passphrase is None:
        problems.append(
            Problem(
                what=f"EXCHANGE_API_PASSPHRASE is not set, and {venue.name} signs with one",
                hint="set EXCHANGE_API_PASSPHRASE to the one that the key was made with",
            )
        )
    return problems
