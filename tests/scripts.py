"""The programs in `scripts/`, which have no suffix: run, and imported as modules."""

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).parents[1] / "scripts"


HANG_SECONDS = 840
"""Only for a script that hangs; less than pytest's own limit for a test."""


def run_script(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a script to its end; return what it printed."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, SCRIPTS / name, *arguments],
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )


def load_script(name: str) -> ModuleType:
    """Import a script."""
    loader = SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module
