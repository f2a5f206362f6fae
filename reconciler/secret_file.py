"""A secret in a file of its own, as secret stores mount one."""

from pathlib import Path

from pydantic_core import PydanticCustomError

MAX_SECRET_BYTES = 65_536

UNUSABLE_FILE = "unusable_file"
"""The type of the error, by which `Settings` knows it."""


def read_secret(file: Path, name: str) -> str:
    """Return the content of the file, without blanks and line breaks around it.

    Args:
        file: The file.
        name: The setting that names it.

    Raises:
        PydanticCustomError: it cannot be read, is empty or too large. It has the hint.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_SECRET_BYTES + 1)
        text = content.decode().strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise secret_file_error(
            f"{name} names {str(file)!r}, which cannot be read: {why}",
            f"set {name} to a file with the value and nothing else, which the service may read",
        ) from None
    if not text:
        why = "is empty"
    elif len(content) > MAX_SECRET_BYTES:
        why = f"has more than {MAX_SECRET_BYTES:,} bytes"
    else:
        return text
    raise secret_file_error(
        f"{name} names {str(file)!r}, which {why}",
        f"set {name} to a file with the value and nothing else",
    )


def secret_file_error(what: str, hint: str) -> PydanticCustomError:
    """Return an error that a validator may raise, with its hint."""
    return PydanticCustomError(UNUSABLE_FILE, "{what}", {"what": what, "hint": hint})
