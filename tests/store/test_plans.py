"""SQLite's plans for queries on large tables."""

import sqlalchemy as sa

from bot.database import Database
from bot.upkeep import Upkeep


async def test_the_index_finds_the_jobs_that_are_old(migrated_url: str) -> None:
    statements = []

    async def explain(statement: sa.Executable, _priority: object = None) -> list[object]:
        compiled = statement.compile(compile_kwargs={"literal_binds": True})  # type: ignore[attr-defined]  # every statement here has it
        statements.append(f"EXPLAIN QUERY PLAN {compiled}")
        return []

    database = Database.open(migrated_url)
    execute, database.execute = database.execute, explain  # type: ignore[method-assign, assignment]  # for this test
    await Upkeep(database).empty_jobs(closed_before=1000.0)
    plan = str(await execute(sa.text(statements[0])))
    await database.close()
    assert "jobs_with_content (closed_at<?)" in plan
