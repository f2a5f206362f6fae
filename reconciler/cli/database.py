"""The database that the settings name, for the commands that read or write it and end."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from reconciler.cli.logs import load_settings
from reconciler.settings import Settings
from reconciler.store.database import Database


@contextmanager
def open_database(role: str) -> Iterator[tuple[Database, Settings]]:
    """Read the settings and open their database until the block ends.

    `role` is the name under which PostgreSQL shows the sessions: `reconciler holds`.
    """
    settings = load_settings()
    url, scope = settings.required_database_url, settings.scope
    with closing(Database(url, role=role, scope=scope)) as database:
        yield database, settings
