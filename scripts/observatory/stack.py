"""StatsD, Carbon and graphite-web together, in a folder of their own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.errors import ConfigurationError, Problem
from reconciler.run_if_killed import run_if_killed
from scripts.observatory.child import Child
from scripts.observatory.client import GraphiteClient
from scripts.observatory.configuration import (
    STATSD_CONFIG,
    Ports,
    Steps,
    statsd_environment,
    write_carbon_configuration,
)
from scripts.optional_programs import INSTALL_HINT, find_program

PROGRAMS = ("node", "statsd", "carbon-aggregator-cache", "graphite-manage")

STATIC_FILES = Path("/usr/share/graphite-web/static")
SITE = Path(__file__).parent / "graphite_web"

# Ends what still runs, by the process groups in the files.
_END_CHILDREN = """
for file in "$0"/*.pid; do kill -s TERM -- "-$(cat "$file")"; done
sleep 5
for file in "$0"/*.pid; do kill -s KILL -- "-$(cat "$file")"; done
[ "$1" = keep ] || rm -rf "$0"
"""


@dataclass(frozen=True, kw_only=True)
class Observatory:
    """The running programs, and the folder with all that they write."""

    folder: Path
    ports: Ports
    graphite: GraphiteClient
    children: tuple[Child, ...]

    @property
    def environment(self) -> dict[str, str]:
        """The settings with which a reconciler sends its metrics here."""
        return {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": str(self.ports.statsd)}

    @property
    def ended(self) -> list[str]:
        """The names of the programs that have ended, though they should run."""
        return [child.name for child in self.children if child.has_ended]


@contextmanager
def run_observatory(
    folder: Path, ports: Ports, steps: Steps, *, is_kept: bool = True
) -> Iterator[Observatory]:
    """Start the programs in `folder` and yield when they all answer; end them after the block.

    What an earlier stack has stored in `folder` is still there. If this process is killed, the
    programs end a moment later; then, unless `is_kept`, the folder is removed.

    Raises:
        ConfigurationError: a program is not installed, or did not start.
    """
    _require_programs()
    _prepare(folder)
    with (
        run_if_killed(_END_CHILDREN, str(folder), "keep" if is_kept else "remove"),
        ExitStack() as stack,
    ):

        def start(name: str, *command: str | Path, **environment: str) -> Child:
            child = Child(name, command, folder=folder, environment=environment)
            stack.callback(child.stop)
            return child

        database = start("web-database", *_CREATE_TABLES, **_web_environment(folder, ports))
        carbon = start(
            "carbon",
            _program("carbon-aggregator-cache"),
            f"--config={write_carbon_configuration(folder, ports, steps)}",
            "--nodaemon",
            "start",
        )
        statsd = start(
            "statsd",
            _program("node"),
            _program("statsd"),
            STATSD_CONFIG,
            **statsd_environment(ports, steps),
        )
        database.wait()
        web = start("web", *_serve_on(ports.web), **_web_environment(folder, ports))
        carbon.wait_until_listening(ports.carbon)
        carbon.wait_until_listening(ports.carbon_query)
        statsd.wait_until_listening(ports.statsd_admin)
        web.wait_until_listening(ports.web)
        with GraphiteClient(f"http://127.0.0.1:{ports.web}") as graphite:
            yield Observatory(
                folder=folder, ports=ports, graphite=graphite, children=(statsd, carbon, web)
            )


def missing_programs() -> list[str]:
    """Return the names of the programs that are not installed."""
    return [name for name in PROGRAMS if find_program(name) is None]


def _require_programs() -> None:
    if missing := missing_programs():
        raise ConfigurationError(
            [Problem(what=f"not installed: {', '.join(missing)}", hint=INSTALL_HINT)]
        )


_DEBIAN_PYTHON = ("/usr/bin/python3", "-W", "ignore", "-m")
"""The Python for which Debian installs graphite-web; another one in PATH does not find it."""

_CREATE_TABLES = (*_DEBIAN_PYTHON, "django", "migrate", "--run-syncdb", "--verbosity=0")


def _serve_on(port: int) -> tuple[str, ...]:
    return (
        *_DEBIAN_PYTHON,
        "twisted",
        "--log-format=text",
        "web",
        f"--listen=tcp:{port}:interface=127.0.0.1",
        "--wsgi=observatory_site.application",
    )


def _web_environment(folder: Path, ports: Ports) -> dict[str, str]:
    return {
        "PYTHONPATH": str(SITE),
        "DJANGO_SETTINGS_MODULE": "graphite.settings",
        "GRAPHITE_SETTINGS_MODULE": "observatory_settings",
        "OBSERVATORY_FOLDER": str(folder),
        "OBSERVATORY_CARBON_QUERY_PORT": str(ports.carbon_query),
    }


def _prepare(folder: Path) -> None:
    for name in ("whisper", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob("*.pid"):
        left_over.unlink()
    content = folder / "content"
    if not content.exists():
        content.symlink_to(STATIC_FILES)


def _program(name: str) -> Path:
    file = find_program(name)
    assert file is not None  # noqa: S101 - required above
    return file
