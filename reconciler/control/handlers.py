"""The handlers of the control socket's commands: they read a snapshot, or scale."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from reconciler.control.protocol import Command, LocateArguments, ScaleArguments
from reconciler.errors import ConfigurationError, Problem
from reconciler.settings import MAX_SHARDS
from reconciler.supervisor.sharding import Scaling
from reconciler.supervisor.snapshot import SupervisorSnapshot, with_memory
from reconciler.supervisor.status import OrderLocation, Phase


class RunningSupervisor(Protocol):
    """The part of the supervisor that commands can reach."""

    def snapshot(self) -> SupervisorSnapshot:
        """Return the present state of the supervisor and its shards."""
        ...

    async def wait_for_history(self) -> None:
        """Wait until the database's record of the last hour has been read once."""
        ...

    def locate(self, key: str, item_id: str) -> OrderLocation:
        """Return where an item is."""
        ...

    def scale(self, shards: int) -> None:
        """Change the number of shards."""
        ...


class ControlHandlers:
    """Answers the commands for one supervisor. Only `scale` changes anything."""

    def __init__(self, supervisor: RunningSupervisor) -> None:
        self._supervisor = supervisor

    async def answer(self, command: str, arguments: Mapping[str, Any]) -> object:
        """Return the result of a command.

        Raises:
            ConfigurationError: there is no such command, or its arguments do not fit.
        """
        match command:
            case Command.STATUS:
                return await with_memory(self._supervisor.snapshot().status)
            case Command.HEALTH:
                await self._supervisor.wait_for_history()
                return self._supervisor.snapshot().vitals
            case Command.SCALE:
                return self._scale(_arguments(arguments, ScaleArguments))
            case Command.LOCATE:
                item = _arguments(arguments, LocateArguments)
                return self._supervisor.locate(item.key, item.id)
            case _:
                raise _refusal(
                    f"there is no command {command[:40]!r}", f"ask {' or '.join(Command)}"
                )

    def _scale(self, arguments: ScaleArguments) -> Scaling:
        if not 1 <= arguments.shards <= MAX_SHARDS:
            raise _refusal(
                f"cannot run {arguments.shards} shards",
                f"ask for 1 to {MAX_SHARDS}: each is a process",
            )
        status = self._supervisor.snapshot().status
        before = status.shards.desired
        if not arguments.plan:
            if status.phase is Phase.DRAINING:
                raise _refusal("the supervisor is stopping", "scale the next one")
            self._supervisor.scale(arguments.shards)
        return Scaling.between(before, arguments.shards)


def _arguments(given: Mapping[str, Any], expected: type[Any]) -> Any:
    try:
        return msgspec.convert(given, expected)
    except msgspec.ValidationError as error:
        raise _refusal(
            f"the arguments do not fit: {error}", "see docs/reference/control-socket.md"
        ) from None


def _refusal(what: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Problem(what=what, hint=hint)])
