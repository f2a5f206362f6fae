"""The control socket's reference has every key of every object that goes over it, and its kind."""

import dataclasses
import re
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from reconciler.control import protocol, server
from reconciler.control.protocol import (
    Command,
    ControlRequest,
    ControlResponse,
    ErrorBody,
    LocateArguments,
    ScaleArguments,
)
from reconciler.supervisor.sharding import Scaling
from reconciler.supervisor.status import OrderLocation, SupervisorStatus
from reconciler.telemetry.health import Vitals

from .documents import code_in, first_cells, read, rows, section

PAGE = read("docs/reference/control-socket.md")
SPOKEN = (
    ErrorBody,
    ScaleArguments,
    LocateArguments,
    SupervisorStatus,
    Vitals,
    Scaling,
    OrderLocation,
)


def with_all_inside(kind: type[Any]) -> Iterator[type[Any]]:
    """Return an object's class, and those of the objects in it."""
    yield kind
    for hint in get_type_hints(kind).values():
        for inner in {hint, *get_args(hint)}:
            if dataclasses.is_dataclass(inner):
                yield from with_all_inside(inner)  # type: ignore[arg-type] # it is the class


def names_of(kind: type[Any]) -> list[str]:
    if issubclass(kind, msgspec.Struct):
        return list(kind.__struct_fields__)
    return [field.name for field in dataclasses.fields(kind)]


def kind_of(hint: Any) -> str:  # noqa: PLR0911 - a flat table
    """Return what a value is called in the reference."""
    if get_origin(hint) is UnionType:
        return " or ".join(kind_of(one) for one in get_args(hint))
    if get_origin(hint) is tuple:
        return f"list of {kind_of(get_args(hint)[0])}"
    if hint is NoneType:
        return "null"
    if hint is bool:
        return "true or false"
    if hint in {int, float}:
        return "number"
    if hint is datetime:
        return "time"
    if hint is msgspec.Raw or get_origin(hint) is dict:
        return "object"
    if issubclass(hint, str | StrEnum):
        return "text"
    return f"`{hint.__name__}`"


def keys_of(kind: type[Any]) -> list[tuple[str, str]]:
    hints = get_type_hints(kind)
    return [(name, kind_of(hints[name])) for name in names_of(kind)]


def documented(text: str) -> list[tuple[str, str]]:
    return [(code_in(key), value) for key, value, _ in rows(text)]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("The request", ControlRequest), ("The response", ControlResponse)],
    ids=["request", "response"],
)
def test_every_key_of_a_line_is_documented(heading: str, kind: type[Any]) -> None:
    table = section(PAGE, heading).partition("`ErrorBody`:")[0]

    assert documented(table) == keys_of(kind)


@pytest.mark.parametrize(
    "kind",
    [one for kind in SPOKEN for one in with_all_inside(kind)],
    ids=lambda kind: kind.__name__,
)
def test_every_key_of_every_object_is_documented(kind: type[Any]) -> None:
    _, _, behind = PAGE.partition(f"\n`{kind.__name__}`")
    table = re.split(r"\n(?:#+ |`)", behind, maxsplit=1)[0]

    assert documented(table) == keys_of(kind)


def test_every_command_is_in_the_page_table() -> None:
    table = section(PAGE, "The commands").partition("### ")[0]

    assert first_cells(table) == list(Command)


def test_documented_limits_are_those_of_the_server() -> None:
    assert f"{protocol.MAX_REQUEST_BYTES:,} bytes" in PAGE
    assert f"{server.TIMEOUT_SECONDS:.0f} s" in PAGE
    assert f"more than {server.MAX_CLIENTS} clients" in PAGE
