"""A database that is closed leaves no connection open.

An unclosed connection is reported when it is collected, and warnings are errors.
"""

import asyncio
import gc

import pytest
import sqlalchemy as sa

from bot.database import Database
from bot.errors import TemporaryError


async def test_closing_during_statements_leaves_no_connection_open(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.database.CLOSE_TIMEOUT", 0.0)
    for moment in range(100):  # in units of 50 µs: some are in the middle of a statement
        database = Database.open(migrated_url)
        await database.execute(sa.text("SELECT 1"))  # aiosqlite leaks an interrupted connect
        statements = [asyncio.create_task(database.execute(sa.text("SELECT 1"))) for _ in range(3)]
        await asyncio.sleep(moment / 20_000)
        await database.close()
        await asyncio.gather(*statements, return_exceptions=True)
        del database, statements
    gc.collect()


async def test_a_statement_after_closing_opens_no_connection(migrated_url: str) -> None:
    database = Database.open(migrated_url)
    await database.close()
    with pytest.raises(TemporaryError):
        await database.execute(sa.text("SELECT 1"))
    del database
    gc.collect()
