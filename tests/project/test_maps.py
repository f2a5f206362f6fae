"""The maps in the docstrings of packages: a reader finds the file for a question there."""

from importlib import import_module
from pkgutil import iter_modules

import pytest


@pytest.mark.parametrize(
    "name", ["reconciler.store", "reconciler.console", "reconciler.orders.shadow"]
)
def test_the_map_of_a_package_names_each_of_its_modules(name: str) -> None:
    package = import_module(name)
    words = set((package.__doc__ or "").replace(",", " ").replace("/", " ").split())

    modules = {module.name for module in iter_modules(package.__path__)}

    assert modules - words == set()
