"""The file that `reconciler init` writes: what stays of an existing one, and who may replace it."""

from pathlib import Path

from reconciler.adoption.config_text import without_orders
from reconciler.cli.init_prompts import ask_to_replace
from reconciler.cli.init_proposal import InitOptions
from reconciler.errors import ConfigurationError, Problem


def text_to_keep(file: Path, options: InitOptions) -> str:
    """Return what is to stay of an existing file.

    Raises:
        ConfigurationError: it may not be replaced, or cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _cannot(file, "read", error) from None
    if not options.replaces:
        if options.takes_best_guess:
            raise ConfigurationError(
                [
                    Problem(
                        what=f"{file} exists",
                        hint="to replace [orders] in it, and leave the rest as it is, run:"
                        " reconciler init --yes --force",
                    )
                ]
            )
        ask_to_replace(file)
    return without_orders(text, name=str(file))


def write_file(file: Path, text: str) -> None:
    """Write the file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _cannot(file, "written", error) from None


def _cannot(file: Path, act: str, error: Exception) -> ConfigurationError:
    why = getattr(error, "strerror", None) or "it is not text in UTF-8"
    return ConfigurationError(
        [
            Problem(
                what=f"{file} cannot be {act}: {why}",
                hint="run this in a folder that you may write, or set RECONCILIATION_CONFIG to a"
                " file in one",
            )
        ]
    )
