"""A closed database stays closed."""

import gc

import pytest
import sqlalchemy as sa

from bot.database import Database
from bot.errors import TemporaryError


async def test_a_statement_after_closing_opens_no_connection(migrated_url: str) -> None:
    database = Database.open(migrated_url)
    await database.close()
    with pytest.raises(TemporaryError):
        await database.execute(sa.text("SELECT 1"))
    del database
    gc.collect()  # would report a connection that nothing closed
