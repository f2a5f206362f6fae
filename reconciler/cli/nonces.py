"""The nonces of a command, which has no supervisor: reserved in the database, if there is one."""

import asyncio
from functools import partial

from reconciler.errors import ReconcilerError
from reconciler.resilience.nonces import LocalNonces
from reconciler.settings import Settings
from reconciler.store import shared_state
from reconciler.store.database import Database


def command_nonces(settings: Settings) -> LocalNonces:
    """Return nonces that no process which works with this database has used or will use.

    Without a database that can be written, they follow the clock.
    """
    return LocalNonces(partial(_reserve, settings))


async def _reserve(settings: Settings, least: int, count: int) -> int:
    return await asyncio.to_thread(_reserve_in_database, settings, least, count)


def _reserve_in_database(settings: Settings, least: int, count: int) -> int:
    try:
        database = Database(settings.required_database_url, role="nonces", scope=settings.scope)
    except ReconcilerError:
        return least
    try:
        with database.transaction() as connection:
            return shared_state.reserve_nonces(
                connection, settings.scope, settings.exchange_name, least=least, count=count
            )
    except ReconcilerError:
        return least
    finally:
        database.close()
