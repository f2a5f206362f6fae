"""The maps in the docstrings of packages: a reader finds the file for a question there."""

import re
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "reconciler.console",
        "reconciler.explanation",
        "reconciler.orders.shadow",
        "reconciler.store",
        "scripts.dashboard",
        "scripts.observatory",
    ],
)
def test_the_map_of_a_package_names_each_of_its_modules(name: str) -> None:
    package = import_module(name)
    words = set((package.__doc__ or "").replace(",", " ").replace("/", " ").split())

    modules = {module.name for module in iter_modules(package.__path__)}

    assert modules - words == set()


ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "how-to" / "develop.md").read_text(encoding="utf-8")


def test_the_guide_of_developers_names_each_layer() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / "setup.cfg")
    layers = re.findall(r"\w+", contracts["importlinter:contract:layers"]["layers"])

    table = GUIDE.partition("| layer | knows |")[2].partition("\n\n")[0]

    assert [layer for layer in layers if f"`{layer}`" not in table] == []


def test_the_guide_of_developers_names_each_folder_of_tests() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}

    assert [folder for folder in sorted(folders) if f"| `tests/{folder}` |" not in GUIDE] == []
